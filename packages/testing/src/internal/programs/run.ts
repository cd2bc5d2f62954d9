/**
 * Runs a random program under a `StepScheduler`, and reports the first violated rule, if any.
 */
import {
  type AutoScalePoolOptions,
  type AutoScalePolicy,
  type SubmitOptions,
  type TaskHandle,
  TaskPool,
  type TaskPoolService
} from "@aio-task-pool/core"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { checkStillWorks, type Entry, Ledger, statsOf, yields } from "../ledger.ts"
import { StepWorld } from "../stepWorld.ts"
import {
  type Body,
  type BodyStep,
  gates,
  type Guard,
  type Operation,
  type PoolPlan,
  type Program,
  type SourcePlan,
  type Statement,
  type TaskPlan
} from "./grammar.ts"

/** The pool that a program needs. A fixed pool uses `size`, an auto-scale pool the other options. */
export interface ProgramPoolOptions extends AutoScalePoolOptions {
  readonly size: number
}

/** A kind of pool. */
export interface ProgramPool {
  readonly name: string
  /** The order in which waiting tasks start. */
  readonly order: "fifo" | "lifo" | "priority"
  /** Whether the pool scales automatically. */
  readonly sizesItself: boolean
  readonly layer: (options: ProgramPoolOptions) => Layer.Layer<TaskPool>
}

/** The result of a run. */
export interface ProgramRun {
  /** The first violated rule. */
  readonly broken: string | undefined
  /** A hash of the interleaving. */
  readonly trace: number
  readonly steps: number
}

const setupBudget = 1_000_000
const stepLimit = 50_000

/** One pool of a program. */
interface Place {
  readonly plan: PoolPlan
  readonly sizesItself: boolean
  readonly scope: Scope.Closeable
  readonly pool: TaskPoolService
  readonly ledger: Ledger
  /** Whether its scope was ended. */
  ended: boolean
}

/** Runs a program. The promises of its sources settle while the fiber that runs this yields. */
export const runProgram = Effect.fnUntraced(function* (kinds: ReadonlyArray<ProgramPool>, program: Program) {
  const running = new Running(kinds, program)
  const { steps } = running
  const settle = Effect.fnUntraced(function* () {
    do {
      running.rest()
      if (running.promises) yield* Effect.yieldNow
    } while (steps.scheduler.queued > 0 && running.broken === undefined)
    running.checkAtRest()
  })

  // A rate may allow one start in each round.
  const rounds = program.pools.some(({ rate }) => rate !== undefined) ? 500 : 80
  running.build()
  yield* settle()
  steps.scheduler.budget = program.budget
  steps.scheduler.beginTrace()
  running.startAll()
  for (let round = 0; running.broken === undefined; round++) {
    yield* settle()
    if (running.settled) break
    if (round === rounds) return running.hangs()
    running.release(round)
  }
  const { trace } = steps.scheduler
  steps.scheduler.budget = setupBudget
  if (running.broken === undefined) running.finish()
  for (const part of [() => running.checkWorkers(), () => running.closeAll()]) {
    if (running.broken !== undefined) break
    const fiber = part()
    for (let round = 0; round < 40 && fiber.pollUnsafe() === undefined && running.broken === undefined; round++) {
      yield* settle()
      if (fiber.pollUnsafe() === undefined) running.release(40 + round)
    }
    const exit = fiber.pollUnsafe()
    if (exit === undefined) running.violated("a worker is lost, or closing does not end")
    else if (Exit.isFailure(exit)) running.violated(`the pool no longer works: ${String(exit.cause)}`)
  }
  // A fiber that leaves a silent source waits for it.
  running.releaseSources()
  yield* settle()
  const broken = running.broken ?? steps.left
  return { broken, trace, steps: running.count } satisfies ProgramRun
})

class Running {
  readonly steps: StepWorld
  count = 0
  /** Whether promises are involved: their callbacks are not steps. */
  readonly promises: boolean
  private wrong: string | undefined = undefined
  private readonly kinds: ReadonlyArray<ProgramPool>
  private readonly program: Program
  private readonly places: Array<Place> = []
  private readonly gates = Array.from({ length: gates }, () => Latch.makeUnsafe())
  private readonly handles: Array<TaskHandle<unknown, unknown>> = []
  /** The fibers of the program, its initial ones first. */
  private readonly fibers: Array<Fiber.Fiber<unknown, unknown>> = []
  private readonly silent: Array<() => void> = []
  private entries = 0

  constructor(kinds: ReadonlyArray<ProgramPool>, program: Program) {
    this.kinds = kinds
    this.program = program
    this.steps = new StepWorld({ budget: setupBudget, seed: program.order })
    // A bulk leaves its source through a promise.
    this.promises = JSON.stringify(program.fibers).includes('"do":"forEach"')
  }

  get broken(): string | undefined {
    return this.wrong ?? this.places.find(({ ledger }) => ledger.broken !== undefined)?.ledger.broken
  }

  violated(what: string): void {
    if (this.broken !== undefined) return
    this.wrong = `${what}: ${JSON.stringify(this.places.map(({ ledger }) => ledger.check("at the end")))}`
  }

  // ---- the pools --------------------------------------------------------------------------------------------------

  build(): void {
    for (const plan of this.program.pools) {
      const kind = this.kinds[plan.kind]!
      const scope = Scope.makeUnsafe()
      const building = this.steps.fork(
        Effect.map(Layer.buildWithScope(kind.layer(this.optionsOf(plan)), scope), (context) =>
          Context.get(context, TaskPool)
        )
      )
      while (this.steps.scheduler.step());
      const exit = building.pollUnsafe()
      if (exit?._tag !== "Success") throw new Error(`a pool is not built: ${String(exit)}`)
      const ledger = new Ledger(exit.value)
      ledger.abandons = plan.interruptTimeout !== undefined
      ledger.drops = plan.onFull === "dropOldest"
      ledger.perKey = plan.perKey ?? Infinity
      ledger.lentElsewhere = () => this.places.reduce((sum, { pool }) => sum + statsOf(pool).lent, 0)
      this.places.push({ plan, sizesItself: kind.sizesItself, scope, pool: exit.value, ledger, ended: false })
    }
  }

  private optionsOf(plan: PoolPlan): ProgramPoolOptions {
    const { drainTimeout = Infinity, interruptTimeout = Infinity, size } = plan
    const { capacity, nested, onFull, perKey, rate, startPaused } = plan
    const check = (where: string) => this.checkAll(where)
    const common = {
      capacity,
      nested,
      onFull,
      perKey,
      rate,
      size,
      startPaused,
      shutdown: { drainTimeout, interruptTimeout },
      ...(plan.classify === "default" ? {} : { classify: classifyOf(plan.classify, check) })
    }
    if (!this.kinds[plan.kind]!.sizesItself) return common
    return {
      ...common,
      minSize: Math.min(size, 2),
      maxSize: 3,
      ...(plan.policy === "default" ? {} : { policy: policyOf(plan.policy, check) })
    }
  }

  private checkAll(where: string): void {
    for (const { ledger } of this.places) ledger.check(where)
  }

  // ---- running ----------------------------------------------------------------------------------------------------

  startAll(): void {
    for (const statements of this.program.fibers) {
      this.fibers.push(this.steps.fork(Effect.suspend(() => this.all(statements))))
    }
  }

  private start(effect: Effect.Effect<unknown, unknown, Scope.Scope>): void {
    this.fibers.push(this.steps.fork(effect))
  }

  /** Runs steps until none is queued. */
  rest(): void {
    const { scheduler } = this.steps
    while (this.broken === undefined && scheduler.queued > 0) {
      try {
        scheduler.step()
      } catch (cause) {
        this.violated(`a step throws ${String(cause)}`)
      }
      if (++this.count > stepLimit) this.violated(`no end after ${stepLimit} steps`)
      this.checkAll("after a step")
    }
  }

  checkAtRest(): void {
    for (const { ledger } of this.places) ledger.rest()
  }

  get settled(): boolean {
    return this.fibers.every((fiber) => fiber.pollUnsafe() !== undefined) && this.places.every(isIdle)
  }

  /** Advances the time, and after some rounds opens everything that the program waits for. */
  release(round: number): void {
    if (round >= 40) this.steps.clock.adjustUnsafe(60_000)
    // A timer may read the clock in one step and sleep in the next. It is late if the clock jumps in between, so the times
    // that a pool waits for pass millisecond by millisecond.
    for (let millis = round < 12 ? 1 : round < 40 ? 2 : 8; millis > 0; millis--) {
      if (round >= 12) this.rest()
      this.steps.clock.adjustUnsafe(1)
    }
    if (round < 12) return
    for (const gate of this.gates) gate.openUnsafe()
    for (const { ledger, pool } of this.places) {
      const { phase, targetSize } = ledger.check("at the release")
      // A task may take two workers.
      if (phase !== "Closed" && targetSize < 2) this.steps.fork(pool.resize(2))
      ledger.check("after the release")
    }
    // Only the end of its pool ends a silent source, and the program may have reopened the pool.
    if (round < 45 || this.silent.length === 0) return
    for (const { ledger, pool } of this.places) {
      if (ledger.check("at the release").phase !== "Closed") this.start(pool.close())
    }
  }

  hangs(): ProgramRun {
    const index = this.fibers.findIndex((fiber) => fiber.pollUnsafe() === undefined)
    const name =
      index < 0 ? "a pool" : index < this.program.fibers.length ? `fiber ${index}` : "a fiber in the background"
    this.violated(`${name} hangs: no step is left, and it has not ended`)
    return { broken: this.broken, trace: this.steps.scheduler.trace, steps: this.count }
  }

  /** Checks the rules that hold when all tasks have ended. */
  finish(): void {
    for (const { ledger } of this.places) ledger.finish()
  }

  releaseSources(): void {
    for (const resolve of this.silent) resolve()
  }

  /** Checks that the pools still work. */
  checkWorkers(): Fiber.Fiber<unknown, unknown> {
    // A pool that sizes itself may have fewer workers than it is given: by an odd policy, or while time passes for its rate.
    // One with a rate may have no place for two tasks.
    const isOdd = ({ plan, sizesItself }: Place) =>
      (sizesItself && (plan.policy !== "default" || plan.classify !== "default" || plan.rate !== undefined)) ||
      (plan.rate !== undefined && plan.onFull !== "suspend")
    const places = this.places.filter((place) => !place.ended && !isOdd(place))
    // The tasks of the check have no entries.
    for (const { ledger } of places) ledger.bulks++
    return this.steps.fork(
      Effect.forEach(places, ({ pool }) =>
        Effect.andThen(
          pool.awaitStats(({ holds }) => holds.length === 0),
          checkStillWorks(pool)
        )
      )
    )
  }

  closeAll(): Fiber.Fiber<unknown, unknown> {
    const scopes = [...this.places.map(({ scope }) => scope), this.steps.scope]
    return this.steps.fork(Effect.forEach(scopes, (scope) => Scope.close(scope, Exit.void)))
  }

  // ---- statements -------------------------------------------------------------------------------------------------

  /** Runs statements in sequence, whether they succeed or fail. */
  private all(statements: ReadonlyArray<Statement>): Effect.Effect<void> {
    return Effect.forEach(statements, (statement) => Effect.exit(this.statement(statement)), { discard: true })
  }

  private statement(statement: Statement): Effect.Effect<unknown, unknown> {
    switch (statement.do) {
      case "yield":
        return yields(statement.times)
      case "sleep":
        return Effect.sleep(statement.millis)
      case "open":
        return this.gates[statement.gate]!.open
      case "interrupt":
        return Effect.sync(() => this.fibers[statement.fiber]?.interruptUnsafe())
      case "end scope": {
        const place = this.places[statement.pool]!
        return Effect.suspend(() => {
          place.ended = true
          return Scope.close(place.scope, exits[statement.how])
        })
      }
      case "scoped": {
        const { pool, statements } = statement
        const last = this.submit(this.places[pool]!, {
          steps: [],
          end: "succeeds",
          finalizer: 0,
          uninterruptible: false
        })
        const finalizer = Effect.andThen(Effect.yieldNow, Effect.exit(last))
        return Effect.scoped(
          Effect.addFinalizer(() => finalizer).pipe(
            Effect.andThen(this.all(statements)),
            Effect.andThen(exits[statement.how])
          )
        )
      }
      case "operate":
        return this.guarded(this.operate(this.places[statement.pool]!, statement.operation), statement.guard)
      case "handle":
        return this.guarded(this.useHandle(statement.pick, statement.op), statement.guard)
      case "submit":
        return this.guarded(
          this.submit(this.places[statement.pool]!, statement.body, statement.options),
          statement.guard
        )
      case "fork":
      case "submitNowait": {
        const { body, guard, options, pool } = statement
        return this.guarded(this.handOver(this.places[pool]!, statement.do, body, options), guard)
      }
      case "forEach":
        return this.guarded(this.forEach(this.places[statement.pool]!, statement), statement.guard)
      case "mapEffect":
        return this.guarded(this.mapEffect(this.places[statement.pool]!, statement), statement.guard)
    }
  }

  private guarded(effect: Effect.Effect<unknown, unknown>, guard: Guard): Effect.Effect<unknown, unknown> {
    switch (guard.guard) {
      case "none":
        return effect
      case "uninterruptible":
        return Effect.uninterruptible(effect)
      case "background":
        return Effect.sync(() => this.start(effect))
      case "timeout":
        return Effect.timeoutOption(effect, guard.millis)
      case "race":
        return Effect.race(effect, Effect.sleep(guard.millis))
    }
  }

  private entry(place: Place, item: boolean, { key, permits, retries = 0 }: TaskPlan): Entry {
    const name = `task ${++this.entries} of pool ${this.places.indexOf(place)}`
    return place.ledger.entry(name, item, { key, permits: permits ?? 1, attempts: 1 + retries })
  }

  private submit(place: Place, body: Body, plan: TaskPlan = {}): Effect.Effect<unknown, unknown> {
    return place.ledger.calling(() => {
      const entry = this.entry(place, false, plan)
      const task = this.task(place, entry, body)
      const options = submitOptionsOf(plan)
      const effect = body.finalizer === 1 ? place.pool.submit(() => task, options) : place.pool.submit(task, options)
      return { entries: [entry], effect }
    })
  }

  private handOver(place: Place, verb: "fork" | "submitNowait", body: Body, plan: TaskPlan = {}) {
    return place.ledger.forking(() => {
      const entry = this.entry(place, false, plan)
      const task = this.task(place, entry, body)
      return { entry, effect: place.pool[verb](task, submitOptionsOf(plan)) }
    }, this.handles)
  }

  private bulk(
    place: Place,
    length: number,
    plan: TaskPlan,
    { take = length, unordered = false }: { readonly take?: number | undefined; readonly unordered?: boolean },
    run: (entries: ReadonlyArray<Entry>) => Effect.Effect<ReadonlyArray<unknown> | void, unknown>
  ): Effect.Effect<unknown, unknown> {
    return place.ledger.calling(() => {
      const entries = Array.from({ length }, () => this.entry(place, true, plan))
      const names = entries.map(({ name }) => name)
      const effect = Effect.map(run(entries), (results) => {
        if (results === undefined) return
        // Each result occurs once, in order unless the bulk is unordered.
        const known = new Set(unordered ? results : names.slice(0, take))
        const expected = unordered ? names.filter((name) => known.has(name)) : [...known]
        const actual = unordered
          ? results.toSorted((a, b) => names.indexOf(a as string) - names.indexOf(b as string))
          : results
        if (expected.length !== Math.min(take, length) || expected.join() !== actual.join()) {
          place.ledger.violated(
            `I3: the results of a bulk are ${actual.join()}, and not ${expected.join()}`,
            "at its end"
          )
        }
      })
      return { entries, effect }
    }, 1)
  }

  private forEach(place: Place, statement: Statement & { readonly do: "forEach" }): Effect.Effect<unknown, unknown> {
    const { body, collect, source } = statement
    const how = { discard: collect === "discard", unordered: collect === "unordered" }
    const options = { ...how, ...submitOptionsOf(statement.options) }
    return this.bulk(place, source.length, statement.options, how, (entries) =>
      place.pool.forEach(this.source(place, source, entries), (entry) => this.item(place, entry, body), options)
    )
  }

  private mapEffect(
    place: Place,
    statement: Statement & { readonly do: "mapEffect" }
  ): Effect.Effect<unknown, unknown> {
    const { body, bufferSize, length, silent, take, unordered } = statement
    return this.bulk(place, length, statement.options, { take, unordered }, (entries) => {
      const given = Stream.fromIterable(entries)
      const mapped = place.pool.mapEffect(
        silent ? Stream.concat(given, this.silence) : given,
        (entry) => this.item(place, entry, body),
        {
          ...submitOptionsOf(statement.options),
          bufferSize,
          unordered
        }
      )
      return Stream.runCollect(take === undefined ? mapped : Stream.take(mapped, take))
    })
  }

  // A stream without elements that does not end. Only the end of admission ends it.
  private get silence(): Stream.Stream<never> {
    return Stream.suspend(() => {
      this.silent.push(() => {})
      return Stream.never
    })
  }

  private source(
    place: Place,
    { kind }: SourcePlan,
    entries: ReadonlyArray<Entry>
  ): Iterable<Entry> | AsyncIterable<Entry> {
    const check = (): void => this.checkAll("in a source")
    const ask = (): void => {
      const task: Body = { steps: [], end: "succeeds", finalizer: 0, uninterruptible: false }
      this.start(Effect.exit(this.handOver(place, "submitNowait", task)))
    }
    const silent = this.silent
    switch (kind) {
      case "array":
        return entries
      case "nonsense":
        return {
          [Symbol.iterator]: () => {
            const inner = entries[Symbol.iterator]()
            return {
              next: (): IteratorResult<Entry> => {
                const result = inner.next()
                return result.done === true ? (5 as never) : result
              }
            }
          }
        }
      case "generator":
      case "asks the pool":
      case "throws":
        return (function* () {
          try {
            for (const entry of entries) {
              check()
              if (kind === "asks the pool") ask()
              check()
              yield entry
            }
            if (kind === "throws") throw new Error("source")
          } finally {
            check()
          }
        })()
      case "async":
      case "async, throws":
      case "silent":
        return (async function* () {
          for (const entry of entries) {
            await Promise.resolve()
            check()
            yield entry
          }
          if (kind === "silent") await new Promise<void>((resolve) => silent.push(resolve))
          if (kind === "async, throws") throw new Error("source")
        })()
    }
  }

  private useHandle(pick: number, op: (Statement & { readonly do: "handle" })["op"]): Effect.Effect<unknown, unknown> {
    return Effect.suspend(() => {
      const handle = this.handles[pick % Math.max(1, this.handles.length)]
      if (handle === undefined) return Effect.void
      return op === "reprioritize" ? handle.reprioritize(pick % 6) : handle[op]
    })
  }

  private operate({ ledger, pool }: Place, operation: Operation): Effect.Effect<unknown, unknown> {
    const looked = (effect: Effect.Effect<unknown, unknown>) =>
      Effect.onExit(effect, () => Effect.sync(() => ledger.check(`after ${operation.op}`)))
    switch (operation.op) {
      case "scale":
        return looked(pool.scale(operation.delta, { mode: operation.mode }))
      case "resize":
        return looked(pool.resize(operation.size, { mode: operation.mode }))
      case "close": {
        const { collect, drainTimeout, mode } = operation
        return looked(pool.close({ mode, collect, ...(drainTimeout === undefined ? {} : { drainTimeout }) }))
      }
      case "holdFor":
        return looked(pool.holdFor(operation.millis))
      case "withDispatchHeld":
      case "withPaused":
        return looked(pool[operation.op](Effect.sleep(operation.millis)))
      case "withQuiesced":
        // A running task may wait for one that is held.
        return looked(Effect.timeoutOption(pool.withQuiesced(Effect.sleep(operation.millis)), 5))
      case "clear":
        return looked(pool.clear({ key: operation.key }))
      case "statsOf":
        return looked(pool.statsOf(operation.key ?? "one"))
      case "events":
        return Effect.timeoutOption(
          Stream.runForEach(pool.events, () => Effect.sync(() => ledger.check("in a reader of events"))),
          3
        )
      default:
        return looked(pool[operation.op])
    }
  }

  // ---- tasks ------------------------------------------------------------------------------------------------------

  private task(place: Place, entry: Entry, body: Body): Effect.Effect<unknown, unknown> {
    const { ledger } = place
    const steps = Effect.andThen(
      Effect.forEach(body.steps, (step) => this.step(place, entry, step), { discard: true }),
      Effect.suspend(() => {
        ledger.check(`before ${entry.name} ends`)
        if (body.end === "throws") throw new Error("task")
        return ends[body.end]
      })
    )
    return ledger.task(entry, body.uninterruptible ? Effect.uninterruptible(steps) : steps, body.finalizer)
  }

  // The task of an item. Its result identifies it.
  private item(place: Place, entry: Entry, body: Body): Effect.Effect<string, unknown> {
    return Effect.as(this.task(place, entry, body), entry.name)
  }

  private step(place: Place, outer: Entry, step: BodyStep): Effect.Effect<unknown, unknown> {
    switch (step.do) {
      case "yield":
        return yields(step.times)
      case "sleep":
        return Effect.sleep(step.millis)
      case "gate":
        return this.gates[step.gate]!.await
      case "child":
        return Effect.forkChild(yields(step.times))
      case "nest": {
        const other = this.places[step.pool]!
        const { body, bulk, options } = step
        const nested = !bulk
          ? this.submit(other, body, options)
          : this.bulk(other, 2, options, {}, (entries) =>
              other.pool.forEach(entries, (entry) => this.item(other, entry, body), submitOptionsOf(options))
            )
        return place.ledger.nested(outer, Effect.exit(nested))
      }
      case "hand over": {
        const { body, options, pool, verb } = step
        return place.ledger.nested(outer, Effect.exit(this.handOver(this.places[pool]!, verb, body, options)))
      }
      case "operate":
        // A task that waits for a pool may wait for itself, and may lend its workers.
        return place.ledger.nested(
          outer,
          Effect.exit(Effect.timeoutOption(this.operate(this.places[step.pool]!, step.operation), 3))
        )
    }
  }
}

const submitOptionsOf = ({ delay, key, maxWait, permits, retries, weight }: TaskPlan): SubmitOptions => {
  const schedule = delay === undefined ? undefined : Schedule.spaced(delay)
  const retry = retries === undefined ? undefined : { times: retries, schedule }
  return { weight, key, permits, maxWait, retry }
}

const isIdle = ({ ledger }: Place): boolean => {
  const { delayed, running, waiting } = ledger.check("at the end")
  return running + waiting + delayed === 0 && ledger.live === 0
}

const exits = {
  well: Exit.void,
  badly: Exit.fail("failure"),
  interrupted: Exit.failCause(Cause.interrupt())
} as const

const ends = {
  succeeds: Effect.void,
  fails: Effect.fail("failure"),
  dies: Effect.die("defect"),
  interrupts: Effect.interrupt
} as const

// ---- the code that sizes a pool --------------------------------------------------------------------------------------------

const sizes = [3, Number.NaN, 0, 1e9, -2, 0.5, 2, Infinity, 1, undefined as never]

const policyOf = (
  kind: "jumps" | "throws" | "pauses",
  check: (where: string) => void
): AutoScalePolicy.AutoScalePolicy<number> => ({
  name: kind,
  initial: () => 0,
  window: (turn) => {
    check("in a policy's window")
    return { interval: 1, maxInterval: 2, minSamples: turn % 2, runFactor: 0, overloads: 1 }
  },
  update: (turn) => {
    check("in a policy's update")
    if (kind === "throws" && turn === 2) throw new Error("policy")
    const size = sizes[turn % sizes.length]!
    return [turn + 1, { size, reason: "TURN", ...(kind === "pauses" && turn % 3 === 1 ? { pause: 2 } : {}) }]
  }
})

const classifyOf = (
  kind: "overloads" | "retryAfter" | "throws" | "nonsense",
  check: (where: string) => void
): NonNullable<AutoScalePoolOptions["classify"]> => {
  let count = 0
  return (exit) => {
    check("in classify")
    if (kind === "throws" && ++count % 3 === 0) throw new Error("classify")
    if (kind === "nonsense" && ++count % 3 === 0) return [undefined, 5, {}, null][(count / 3) % 4] as never
    if (Exit.isSuccess(exit)) return "success"
    return kind === "retryAfter" ? { overload: true, retryAfter: 2 } : "overload"
  }
}
