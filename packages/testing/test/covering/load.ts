/**
 * Random load on a pool of certain options, by operations with certain options, step by step.
 */
import {
  type ExecutorTag,
  type Job,
  type SubmitOptions,
  TaskPool,
  type TaskHandle,
  type TaskPoolService
} from "@aio-task-pool/core"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { LawOptions } from "../../src/index.ts"
import { type Entry, Ledger, yields } from "../../src/internal/ledger.ts"
import { Random } from "../../src/internal/random.ts"
import { StepWorld } from "../../src/internal/stepWorld.ts"
import { layerOf } from "../laws/pools.ts"
import { coveringArray, type Row } from "./pairs.ts"

export const factors = {
  pool: ["fixedSimple", "fixedLifo", "fixedPriority", "autoScaleSimple", "autoScaleLifo", "autoScalePriority"],
  operation: ["submit", "fork", "submitNowait", "forEach", "all", "mapEffect", "submitBlocking"],
  inner: ["none", "submit", "fork", "forEach", "join"],
  size: ["1", "2", "4"],
  onFull: ["suspend", "fail", "dropOldest"],
  capacity: ["unbounded", "0", "1", "3"],
  nested: ["lend", "fail", "queue"],
  rate: ["none", "one", "two"],
  perKey: ["none", "1", "2"],
  ageing: ["none", "given"],
  classify: ["none", "retryAfter"],
  startPaused: ["no", "yes"],
  warnAfter: ["none", "given"],
  timing: ["no", "yes"],
  permits: ["1", "2"],
  weight: ["none", "given"],
  label: ["none", "given"],
  key: ["none", "given"],
  cost: ["none", "number", "units"],
  maxWait: ["none", "given"],
  retry: ["none", "at once", "later"]
} as const

export type LoadRow = Row<typeof factors>

// Only priority pools take `ageing`, and only a rate with a unit a cost in units.
const isAllowed = ({ ageing, cost, pool, rate }: { readonly [K in keyof LoadRow]?: LoadRow[K] | undefined }) => {
  if (ageing === "given" && pool !== undefined && !pool.endsWith("Priority")) return false
  return !(cost === "units" && rate !== undefined && rate !== "two")
}

/** The rows for any two options together. */
export const covering = coveringArray(factors, isAllowed)

/** The number of pairs of levels that may occur together, counted from the rows. */
export const countPairs = (): number => {
  const names = Object.keys(factors) as Array<keyof LoadRow>
  const pairs = covering.rows.flatMap((row) =>
    names.flatMap((name, index) => names.slice(index + 1).map((other) => [name, row[name], other, row[other]].join()))
  )
  return covering.rows.every(isAllowed) ? new Set(pairs).size : 0
}

const job: Job<[], unknown> = { url: "", name: "", fn: undefined }

const setupBudget = 1_000_000
const stepLimit = 100_000
const submitters = 12
const maxWait = 5
const rates = {
  none: undefined,
  one: { limit: 3, window: 4 },
  two: [
    { limit: 4, window: 4 },
    { limit: 10, window: 6, unit: "tokens" }
  ]
} as const

/** Runs the load of a seed, and returns the rule that did not hold, if any. */
export const runLoad = (row: LoadRow, seed: number): string | undefined => new Load(row, seed).run()

class Load {
  private readonly row: LoadRow
  private readonly random: Random
  private readonly world: StepWorld
  private readonly scope = Scope.makeUnsafe()
  private readonly pool: TaskPoolService
  private readonly ledger: Ledger
  private readonly fibers: Array<Fiber.Fiber<unknown, unknown>> = []
  private readonly handles: Array<TaskHandle<unknown, unknown>> = []
  private readonly starts: Array<{ readonly at: number; readonly tasks: number; readonly tokens: number }> = []
  private wrong: string | undefined = undefined
  private wasLate = false
  private steps = 0

  constructor(row: LoadRow, seed: number) {
    this.row = row
    this.random = new Random(seed)
    this.world = new StepWorld({ budget: setupBudget, seed: this.random.below(2) === 0 ? undefined : seed })
    const building = this.world.fork(Layer.buildWithScope(layerOf[row.pool](this.poolOptions), this.scope))
    while (this.world.scheduler.step());
    const built = building.pollUnsafe()
    if (built?._tag !== "Success") throw new Error(`a pool is not built: ${String(built)}`)
    this.pool = Context.get(built.value, TaskPool)
    this.ledger = new Ledger(this.pool)
    this.ledger.perKey = row.perKey === "none" ? Infinity : Number(row.perKey)
    this.ledger.drops = row.onFull === "dropOldest"
    this.world.scheduler.budget = [3, 4, 5, 7, 2048][this.random.below(5)]!
  }

  private get poolOptions(): LawOptions {
    const { ageing, capacity, classify, nested, onFull, perKey, rate, size, startPaused, timing, warnAfter } = this.row
    return {
      size: Number(size),
      minSize: 1,
      maxSize: 4,
      onFull,
      capacity: capacity === "unbounded" ? undefined : Number(capacity),
      nested,
      rate: rates[rate],
      perKey: perKey === "none" ? undefined : Number(perKey),
      ...(ageing === "none" ? {} : { ageing: 3 }),
      startPaused: startPaused === "yes",
      ...(warnAfter === "none" ? {} : { warnAfter: 2 }),
      timing: timing === "yes",
      ...(classify === "none" ? {} : { classify: (exit) => this.classify(exit) }),
      shutdown: { interruptTimeout: Infinity }
    }
  }

  private classify(exit: Exit.Exit<unknown, unknown>) {
    this.ledger?.check("in classify")
    return Exit.isSuccess(exit) ? ("success" as const) : { overload: true as const, retryAfter: 2 }
  }

  // What happens at a time is rounded up to nanoseconds and happens a little later.
  private get now(): number {
    return Math.floor(this.world.clock.currentTimeMillisUnsafe())
  }

  // A task that starts when a timer wakes begins when the clock stands still again: a sixteenth later, and not a whole
  // millisecond.
  private letTimePass(): void {
    this.world.clock.adjustUnsafe(1 / 16)
    this.rest()
    this.world.clock.adjustUnsafe(15 / 16)
  }

  // A timer that has read the clock and sleeps in the next step is late by the time that passes in between. So a task may
  // wait beside a free worker once, but not at two rests.
  private checkAtRest(): void {
    this.ledger.rest()
    const { broken } = this.ledger
    const isLate = broken !== undefined && /^I[29]/.test(broken) && this.world.clock.sleepers > 0
    if (isLate && !this.wasLate) this.ledger.broken = undefined
    this.wasLate = isLate
  }

  private get broken(): string | undefined {
    return this.wrong ?? this.ledger.broken
  }

  // ---- running ------------------------------------------------------------------------------------------------------

  run(): string | undefined {
    for (let i = 0; i < submitters; i++)
      this.start(Effect.andThen(Effect.sleep(this.random.below(9)), this.submission()))
    for (let i = 0; i < 2; i++) this.start(this.controls())
    if (this.row.startPaused === "yes") this.start(Effect.andThen(Effect.sleep(3), this.pool.resume))
    // Half of the loads are closed in the middle.
    const closesAt = this.random.below(2) === 0 ? 2 + this.random.below(12) : 200
    for (let round = 0; round < 400 && this.broken === undefined; round++) {
      this.rest()
      this.checkAtRest()
      if (this.isOver(round > closesAt)) break
      if (round === closesAt) this.start(this.pool.close(this.closing))
      // A held or a paused pool, or one with too few workers, is not what the load waits for.
      if (round === 60) this.start(Effect.andThen(this.pool.resume, this.pool.resize(4)))
      // Tasks that wait for their own pool and keep their workers may wait forever.
      if (round === 120 && this.row.nested === "queue") this.start(this.pool.close({ mode: "interrupt" }))
      this.letTimePass()
    }
    if (this.broken === undefined) this.finish()
    return this.broken
  }

  private isOver(closes: boolean): boolean {
    const { delayed, running, waiting } = this.ledger.check("at the end")
    return (
      (closes || running + waiting + delayed === 0) && this.fibers.every((fiber) => fiber.pollUnsafe() !== undefined)
    )
  }

  private finish(): void {
    const hanging = this.fibers.findIndex((fiber) => fiber.pollUnsafe() === undefined)
    if (hanging >= 0) return this.ledger.violated(`fiber ${hanging} hangs`, "at the end")
    const closing = this.world.fork(this.pool.close({ mode: "interrupt", collect: true }))
    this.rest()
    const closed = closing.pollUnsafe()
    if (closed?._tag !== "Success") return this.ledger.violated("closing hangs", "at the end")
    const stats = this.ledger.rest()
    if (stats.busy + stats.lent + stats.delayed + stats.atDoor > 0)
      this.ledger.violated("something is left", "at the end")
    this.ledger.finish()
    this.checkRates()
    const scopes = [this.scope, this.world.scope].map((scope) => this.world.fork(Scope.close(scope, Exit.void)))
    this.rest()
    if (scopes.some((fiber) => fiber.pollUnsafe() === undefined)) this.ledger.violated("a scope hangs", "at the end")
    if (this.broken === undefined) this.wrong = this.world.left
  }

  private start(effect: Effect.Effect<unknown, unknown>): void {
    this.fibers.push(this.world.fork(Effect.exit(effect)))
  }

  private rest(): void {
    const { scheduler } = this.world
    while (this.broken === undefined && scheduler.queued > 0) {
      scheduler.step()
      this.ledger.check("after a step")
      if (++this.steps > stepLimit) this.ledger.violated(`no end after ${stepLimit} steps`, "after a step")
    }
  }

  private get closing() {
    return this.random.pick([
      { mode: "drain" },
      { mode: "drain", drainTimeout: this.random.below(8) },
      { mode: "interrupt", collect: true },
      { mode: "drain", drainTimeout: this.random.below(8), collect: true }
    ] as const)
  }

  // ---- what else happens --------------------------------------------------------------------------------------------

  private controls(): Effect.Effect<unknown, unknown> {
    const { pool } = this
    const wait = () => Effect.sleep(1 + this.random.below(4))
    const control = (): Effect.Effect<unknown, unknown> =>
      this.random.pick<Effect.Effect<unknown, unknown>>([
        pool.holdFor(1 + this.random.below(4)),
        pool.withDispatchHeld(wait()),
        Effect.scoped(Effect.andThen(pool.holdDispatch, wait())),
        pool.withPaused(Effect.yieldNow),
        Effect.andThen(pool.pause, Effect.andThen(wait(), pool.resume)),
        pool.clear(this.random.pick([{}, { key: "k0" }, { label: "label" }])),
        Effect.andThen(
          pool.resize(1 + this.random.below(4), { mode: this.random.pick(["soft", "hard"]) }),
          pool.awaitResized
        ),
        Effect.timeoutOption(
          pool.awaitStats(({ waiting }) => waiting === 0),
          4
        ),
        Effect.suspend(() => this.handles[this.random.below(Math.max(1, this.handles.length))]?.cancel ?? Effect.void),
        Effect.suspend(
          () =>
            this.handles[this.random.below(Math.max(1, this.handles.length))]?.reprioritize(this.random.below(6)) ??
            Effect.void
        ),
        Effect.sync(() => this.fibers[this.random.below(submitters)]!.interruptUnsafe()),
        pool.statsOf("k0")
      ])
    return Effect.forEach([0, 1, 2], () =>
      Effect.andThen(
        wait(),
        Effect.suspend(() => Effect.exit(control()))
      )
    )
  }

  // ---- submissions --------------------------------------------------------------------------------------------------

  /** The options of a task as the row says. */
  private options(): SubmitOptions {
    const { cost, key, label, maxWait: limit, permits, retry, weight } = this.row
    const options: { -readonly [K in keyof SubmitOptions]: SubmitOptions[K] } = {}
    if (weight === "given") options.weight = this.random.below(6)
    if (label === "given") options.label = this.random.pick(["label", "other"])
    if (key === "given") options.key = `k${this.random.below(3)}`
    if (permits === "2") options.permits = 1 + this.random.below(2)
    if (cost === "number") options.cost = this.random.below(3)
    if (cost === "units") options.cost = { tokens: this.random.below(6) }
    if (limit === "given") options.maxWait = maxWait
    if (retry === "at once") options.retry = { times: 2 }
    if (retry === "later") options.retry = { times: 2, schedule: Schedule.spaced(3) }
    return options
  }

  /** The entry of a task with these options. */
  private task(item: boolean, options: SubmitOptions): { readonly entry: Entry; readonly options: SubmitOptions } {
    const { key, permits = 1, retry } = options
    const attempts = retry === undefined ? 1 : 3
    const name = `task ${this.ledger.entries.length}`
    return { entry: this.ledger.entry(name, item, { attempts, permits, key: key as string | undefined }), options }
  }

  private submission(): Effect.Effect<unknown, unknown> {
    const { operation } = this.row
    if (operation === "submit" || operation === "submitBlocking") return this.submit(operation)
    if (operation === "fork" || operation === "submitNowait") return this.handOver(operation)
    return this.bulk(operation)
  }

  private submit(operation: "submit" | "submitBlocking"): Effect.Effect<unknown, unknown> {
    return this.ledger.calling(() => {
      const { entry, options } = this.task(false, this.options())
      const body = this.body(entry, options, this.row.inner)
      // An executor of its own, which runs the task itself.
      const executor = { run: () => body } as unknown as ExecutorTag<never, string>
      const effect =
        operation === "submit"
          ? this.pool.submit(body, options)
          : this.pool.submitBlocking(job, { ...options, args: [], executor })
      return { entries: [entry], effect }
    })
  }

  private handOver(operation: "fork" | "submitNowait"): Effect.Effect<unknown> {
    return this.ledger.forking(() => {
      const { entry, options } = this.task(false, this.options())
      return { entry, effect: this.pool[operation](this.body(entry, options, this.row.inner), options) }
    }, this.handles)
  }

  private bulk(operation: "forEach" | "all" | "mapEffect"): Effect.Effect<unknown, unknown> {
    const common = this.options()
    // The effects of `all` have the same options.
    const draw = () => this.task(true, operation === "all" ? common : this.options())
    return this.items(draw, (tasks) => {
      const body = ({ entry, options }: (typeof tasks)[number]) => this.body(entry, options, this.row.inner)
      if (operation === "all") return this.pool.all(tasks.map(body), common)
      const options = { ...this.perItem, maxWait: common.maxWait, retry: common.retry }
      return operation === "forEach"
        ? this.pool.forEach(tasks, body, options)
        : Stream.runDrain(this.pool.mapEffect(Stream.fromIterable(tasks), body, options))
    })
  }

  private items<A extends { readonly entry: Entry }>(
    draw: () => A,
    run: (items: ReadonlyArray<A>) => Effect.Effect<unknown, unknown>
  ): Effect.Effect<unknown, unknown> {
    return this.ledger.calling(() => {
      const items = [draw(), draw(), draw()]
      return { entries: items.map(({ entry }) => entry), effect: Effect.suspend(() => run(items)) }
    }, 1)
  }

  /** Options of each item, as functions. */
  private get perItem() {
    type Task = ReturnType<Load["task"]>
    const of =
      (name: keyof SubmitOptions) =>
      ({ options }: Task) => {
        this.ledger.check("in an option of an item")
        return options[name] as never
      }
    const { cost, key, label, permits, weight } = this.row
    return {
      ...(weight === "given" ? { weight: of("weight") } : {}),
      ...(label === "given" ? { label: of("label") } : {}),
      ...(key === "given" ? { key: of("key") } : {}),
      ...(permits === "2" ? { permits: of("permits") } : {}),
      ...(cost === "none" ? {} : { cost: of("cost") })
    }
  }

  // ---- tasks --------------------------------------------------------------------------------------------------------

  private body(entry: Entry, options: SubmitOptions, inner: LoadRow["inner"]): Effect.Effect<unknown, unknown> {
    const since = this.now
    const [before, after, sleep, finalizer] = [
      this.random.below(3),
      this.random.below(2),
      this.random.below(5),
      this.random.below(2)
    ]
    const ends = Array.from({ length: 3 }, () => this.random.below(10))
    const begun = Effect.suspend(() => {
      this.onBegun(entry, options, since)
      return before === 0 ? Effect.void : yields(before)
    })
    const end = Effect.suspend((): Effect.Effect<unknown, unknown> => {
      const dice = ends[entry.begun - 1] ?? 0
      if (dice < 6) return Effect.void
      if (dice < 8) return Effect.fail("failure")
      return dice < 9 ? Effect.die("defect") : Effect.interrupt
    })
    const pause = sleep < 2 ? Effect.void : Effect.sleep(sleep)
    const steps = Effect.andThen(begun, Effect.andThen(this.use(entry, inner), Effect.andThen(pause, end)))
    return this.ledger.task(entry, after === 0 ? steps : Effect.andThen(steps, Effect.yieldNow), finalizer)
  }

  /** What a task does with its own pool. */
  private use(entry: Entry, inner: LoadRow["inner"]): Effect.Effect<unknown, unknown> {
    if (inner === "none") return Effect.void
    const other = (item: boolean) => {
      const inner = this.ledger.entry(`task ${this.ledger.entries.length}, inside of ${entry.name}`, item)
      return {
        entry: inner,
        task: this.ledger.task(inner, this.random.below(2) === 0 ? Effect.yieldNow : Effect.sleep(1), 0)
      }
    }
    const submitting = () => {
      const { entry, task } = other(false)
      return { entries: [entry], effect: this.pool.submit(task) }
    }
    const forking = () => {
      const { entry, task } = other(false)
      return { entry, effect: this.pool.fork(task) }
    }
    const uses = {
      submit: () => this.ledger.calling(submitting),
      forEach: () =>
        this.items(
          () => other(true),
          (items) => this.pool.forEach(items, ({ task }) => task)
        ),
      fork: () => this.ledger.forking(forking, this.handles),
      join: () =>
        Effect.flatMap(
          this.ledger.forking(forking, this.handles),
          (handle): Effect.Effect<unknown, unknown> => handle?.join ?? Effect.void
        )
    }
    return Effect.suspend(() => this.ledger.nested(entry, Effect.exit(uses[inner]())))
  }

  private onBegun(entry: Entry, options: SubmitOptions, since: number): void {
    const { inner, nested, perKey } = this.row
    if (entry.key !== undefined && perKey !== "none" && (nested !== "lend" || inner === "none")) {
      const permits = this.ledger.permitsOf(entry.key)
      if (permits > Number(perKey)) this.ledger.violated(`${permits} permits of a key are used`, "as a task begins")
    }
    // The time of an item begins when it is pulled.
    if (options.maxWait !== undefined && !entry.item && entry.begun === 1 && this.now - since > maxWait) {
      this.ledger.violated(`a task begins after ${this.now - since} ms`, "as it begins")
    }
    const { cost = 1 } = options
    const [tasks, tokens] = typeof cost === "number" ? [cost, 0] : [1, cost["tokens"] ?? 0]
    this.starts.push({ at: this.now, tasks, tokens })
  }

  /** Looks at every window of every rate. (What tasks submit themselves is not among the starts.) */
  private checkRates(): void {
    const check = (limit: number, window: number, of: "tasks" | "tokens") => {
      for (const { at } of this.starts) {
        const sum = this.starts.reduce(
          (sum, start) => sum + (start.at > at - window && start.at <= at ? start[of] : 0),
          0
        )
        if (sum > limit) this.ledger.violated(`starts cost ${sum} in ${window} ms up to ${at}`, "at the end")
      }
    }
    const { rate } = this.row
    if (rate === "one") check(rates.one.limit, rates.one.window, "tasks")
    if (rate === "two") {
      check(rates.two[0].limit, rates.two[0].window, "tasks")
      check(rates.two[1].limit, rates.two[1].window, "tokens")
    }
  }
}
