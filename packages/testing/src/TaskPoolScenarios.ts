/**
 * The operations of a task pool as scenarios for `everyStep` and `randomSteps`: each operation is interrupted at every
 * step, on an idle, a busy, a full and an empty pool, and on pools with a rate, a limit per key or other options, while
 * any other operation races it.
 *
 * After every step the pool's statistics must add up (I3), no more tasks may wait than the capacity allows (I8), no
 * submitter may wait at the door beside a free place (I9), and no more tasks may run than the pool reports and its
 * target allows (I1). At rest no task may wait beside a free worker, unless dispatch is held, the rate does not allow the
 * start, or the task's key is at its limit (I2). At the end every task must have settled with the result that its
 * submitter received, none may have begun more often than its retries allow, no worker may be lent, and the pool must
 * still run as many tasks at once as it has workers.
 *
 * @since 0.1.0
 */
import {
  type ForEachOptions,
  type PoolOptions,
  type PoolStats,
  type SubmitOptions,
  type TaskHandle,
  TaskPool,
  type TaskPoolService
} from "@aio-task-pool/core"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Latch from "effect/Latch"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { Scenario } from "./EveryStep.ts"
import { checkStillWorks, now, statsOf } from "./internal/ledger.ts"
import { LimitWatch, ruleBrokenAtRest, ruleBrokenBy } from "./internal/rules.ts"
import type { StepClock } from "./StepClock.ts"

/**
 * The pool that a scenario needs: a pool of `size` workers that can be resized from 0 to 3.
 *
 * @category options
 * @since 0.1.0
 */
export interface ScenarioPoolOptions extends PoolOptions {
  readonly size: number
}

/**
 * Returns the scenarios of a pool.
 *
 * **Example** (Running scenarios of a pool at random)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { AioFixedTaskPoolSimple } from "@aio-task-pool/core"
 * import { randomSteps, taskPoolScenarios } from "@aio-task-pool/testing"
 *
 * const scenarios = taskPoolScenarios(({ size, ...options }) => AioFixedTaskPoolSimple.layer(size, options))
 * const report = await Effect.runPromise(randomSteps(scenarios, { seed: 1, runs: 100 }))
 *
 * const runs = report.runs // => 100
 * ```
 *
 * @category scenarios
 * @since 0.1.0
 */
export const taskPoolScenarios = (
  layerOf: (options: ScenarioPoolOptions) => Layer.Layer<TaskPool>
): ReadonlyArray<Scenario<PoolWorld>> =>
  Object.entries(situations).flatMap(([situation, { held, options, queued }]) =>
    Object.entries(operations).map(([name, subject]) => ({
      name: `${situation}: ${name}`,
      setup: (clock: StepClock) => PoolWorld.make(layerOf(options), clock, held, queued, options),
      subject,
      actors: operations,
      release: (world: PoolWorld) => world.release,
      watch: (world: PoolWorld) => world.watch(),
      resting: (world: PoolWorld) => world.rest(),
      check: (world: PoolWorld) => world.check
    }))
  )

interface Situation {
  readonly options: ScenarioPoolOptions
  /** The number of tasks that run until the release. */
  readonly held: number
  /** The number of tasks that wait behind them. */
  readonly queued: number
}

const situations: Readonly<Record<string, Situation>> = {
  idle: { options: { size: 2 }, held: 0, queued: 0 },
  busy: { options: { size: 2 }, held: 2, queued: 1 },
  full: { options: { size: 1, capacity: 1 }, held: 1, queued: 1 },
  "idle without a queue": { options: { size: 1, capacity: 0 }, held: 0, queued: 0 },
  "busy without a queue": { options: { size: 1, capacity: 0 }, held: 1, queued: 0 },
  "full, failing": { options: { size: 1, capacity: 1, onFull: "fail" }, held: 1, queued: 1 },
  "full, dropping": { options: { size: 2, capacity: 1, onFull: "dropOldest" }, held: 2, queued: 1 },
  "with a rate": { options: { size: 2, capacity: 2, rate: { limit: 2, window: "500 millis" } }, held: 1, queued: 1 },
  "with a limit per key": { options: { size: 2, capacity: 2, perKey: 1 }, held: 1, queued: 0 },
  "failing nested waits": { options: { size: 2, capacity: 1, nested: "fail" }, held: 1, queued: 0 }
}

type Operation = (world: PoolWorld) => Effect.Effect<unknown, unknown>

const hard = { mode: "hard" } as const

const operations: Readonly<Record<string, Operation>> = {
  submit: (world) => world.submit(),
  "submit two": (world) => Effect.all([world.submit(), world.submit()], { concurrency: "unbounded" }),
  fork: (world) => world.fork((pool, task) => pool.fork(task)),
  submitNowait: (world) => world.fork((pool, task) => pool.submitNowait(task)),
  forEach: (world) => world.forEach(),
  all: (world) => world.all(),
  mapEffect: (world) => world.mapEffect(),
  "submit with a key": (world) => world.submit({ key: "key" }),
  "fork with a key": (world) => world.fork((pool, task) => pool.fork(task, { key: "key", label: "label" })),
  "submit with two permits": (world) => world.submit({ permits: 2 }),
  "submit with a limit to its wait": (world) => world.submit({ maxWait: "500 millis" }),
  "submit with a cost": (world) => world.submit({ cost: 2 }),
  "submit with a retry at once": (world) => world.retry({ times: 2 }),
  "submit with a retry later": (world) => world.retry({ times: 2, schedule: Schedule.spaced("500 millis") }),
  "forEach with options": (world) => world.forEach({ key: "key", permits: (_, index) => 1 + (index % 2) }),
  "nested submit": (world) => world.nested(() => world.submit()),
  "nested submit twice": (world) => world.nested(() => world.nested(() => world.submit())),
  "nested forEach": (world) => world.nested(() => world.forEach()),
  "nested fork": (world) => world.nested(() => world.fork((pool, task) => pool.fork(task))),
  "nested join": (world) => world.nested(() => world.forkAndJoin()),
  "nested mapEffect": (world) => world.nested(() => world.mapEffect()),
  "correct a cost": (world) => world.nested(({ adjustCost }) => Effect.andThen(adjustCost(2), adjustCost(-1))),
  "hold dispatch": ({ pool }) => Effect.scoped(Effect.andThen(pool.holdDispatch, Effect.yieldNow)),
  "hold dispatch meanwhile": ({ pool }) => pool.withDispatchHeld(pool.withDispatchHeld(Effect.yieldNow)),
  "hold dispatch for a while": ({ pool }) => pool.holdFor("500 millis"),
  "pause meanwhile": ({ pool }) => pool.withPaused(Effect.yieldNow),
  // A running task that waits for one that is held keeps the pool from being quiet.
  quiesce: ({ pool }) => Effect.timeoutOption(pool.withQuiesced(Effect.yieldNow), "4 seconds"),
  clear: ({ pool }) => pool.clear(),
  "clear a key": ({ pool }) => pool.clear({ key: "key" }),
  "clear a label": ({ pool }) => pool.clear({ label: "label" }),
  "look at a key": ({ pool }) => pool.statsOf("key"),
  "await statistics": ({ pool }) => pool.awaitStats(({ waiting }) => waiting === 0),
  "close and collect": (world) => world.closeAndCollect,
  "cancel the last": (world) => Effect.suspend(() => world.handles.at(-1)?.cancel ?? Effect.void),
  "cancel the first": (world) => Effect.suspend(() => world.handles[0]?.cancel ?? Effect.void),
  "join the first": (world) => Effect.suspend(() => world.handles[0]?.join ?? Effect.void),
  "scale up": ({ pool }) => pool.scale(1),
  "scale down": ({ pool }) => pool.scale(-1),
  "scale down hard": ({ pool }) => pool.scale(-1, hard),
  "scale to 0 and back": ({ pool }) => Effect.andThen(pool.resize(0, hard), pool.resize(1)),
  "pause and resume": ({ pool }) => Effect.andThen(pool.pause, pool.resume),
  pause: ({ pool }) => pool.pause,
  "toggle the pause": ({ pool }) => Effect.andThen(pool.togglePause, pool.togglePause),
  "close, draining": ({ pool }) => pool.close(),
  "close, interrupting": ({ pool }) => pool.close({ mode: "interrupt" }),
  "close within a second": ({ pool }) => pool.close({ drainTimeout: "1 second" }),
  "close and start": ({ pool }) => Effect.andThen(pool.close({ mode: "interrupt" }), pool.start),
  start: ({ pool }) => pool.start,
  "await idle": ({ pool }) => pool.awaitIdle,
  "end the scope": (world) => world.endScope(Exit.void),
  "end the scope badly": (world) => world.endScope(Exit.fail("failure")),
  "let the tasks go": (world) => world.gate.open,
  "let a second pass": (world) => world.clock.adjust("1 second")
}

interface Probe {
  /** The most times that it may begin. */
  readonly attempts: number
  begun: number
  ended: number
  /** Whether the task must not begin from now on. */
  over: boolean
  /** Its handle, after a `fork`. */
  handle: TaskHandle<unknown, unknown> | undefined
  /** The result that the submitter received, if any. */
  told: Exit.Exit<unknown, unknown> | undefined
}

/**
 * A pool, the tasks submitted to it, and their outcomes.
 *
 * @category models
 * @since 0.1.0
 */
export class PoolWorld {
  readonly pool: TaskPoolService
  readonly clock: StepClock
  readonly gate = Latch.makeUnsafe()
  readonly handles: Array<TaskHandle<unknown, unknown>> = []
  private readonly scope: Scope.Closeable
  private readonly probes: Array<Probe> = []
  private scopeEnds = false
  /** The violations that tasks and submitters saw. */
  private broken: string | undefined = undefined
  private readonly perKey: number | undefined
  private readonly rated: boolean
  private running = 0
  /** The number of running tasks that wait in an operation of the pool. */
  private inside = 0
  /** The most permits of a task so far. */
  private permits = 1
  private readonly limit = new LimitWatch()

  private constructor(pool: TaskPoolService, clock: StepClock, scope: Scope.Closeable, options: PoolOptions) {
    this.pool = pool
    this.clock = clock
    this.scope = scope
    this.perKey = options.perKey
    this.rated = options.rate !== undefined
  }

  /** Builds the pool in its own scope and submits its first tasks. */
  static readonly make = Effect.fnUntraced(function* (
    layer: Layer.Layer<TaskPool>,
    clock: StepClock,
    held: number,
    queued: number,
    options: PoolOptions = {}
  ) {
    const scope = yield* Effect.acquireRelease(Scope.make(), (scope) => Scope.close(scope, Exit.void))
    const context = yield* Layer.buildWithScope(layer, scope)
    const world = new PoolWorld(Context.get(context, TaskPool), clock, scope, options)
    for (let i = 0; i < held; i++) yield* world.fork((pool, task) => pool.fork(task), world.gate.await)
    for (let i = 0; i < queued; i++) yield* world.fork((pool, task) => pool.fork(task))
    world.watch()
    return world
  })

  /** Submits a task of a few steps, and keeps the result that the submitter receives. */
  submit(options?: SubmitOptions): Effect.Effect<unknown, unknown> {
    const probe = this.probe()
    this.permits = Math.max(this.permits, options?.permits ?? 1)
    return this.telling([probe], this.pool.submit(this.task(probe, Effect.yieldNow), options))
  }

  /** Submits a task that fails each time, and is tried again. */
  retry(retry: { readonly times: number } & SubmitOptions["retry"]): Effect.Effect<unknown, unknown> {
    const probe = this.probe(1 + retry.times)
    return this.telling([probe], this.pool.submit(this.task(probe, Effect.fail("failure")), { retry }))
  }

  /** Submits a task that uses the pool itself. */
  nested(use: (pool: TaskPoolService) => Effect.Effect<unknown, unknown>): Effect.Effect<unknown, unknown> {
    const probe = this.probe()
    const body = Effect.acquireUseRelease(
      Effect.sync(() => void this.inside++),
      () => Effect.exit(Effect.suspend(() => use(this.pool))),
      () => Effect.sync(() => void this.inside--)
    )
    return this.telling([probe], this.pool.submit(this.task(probe, body)))
  }

  /** Forks a task of a few steps and waits for it. */
  forkAndJoin(): Effect.Effect<unknown, unknown> {
    return Effect.andThen(
      this.fork((pool, task) => pool.fork(task)),
      Effect.suspend(() => this.handles.at(-1)?.join ?? Effect.void)
    )
  }

  /** Closes the pool; the tasks of the report must be among those that it counts. Another closer may have cancelled some. */
  get closeAndCollect(): Effect.Effect<unknown, unknown> {
    return Effect.map(this.pool.close({ mode: "interrupt", collect: true }), ({ interrupted, neverRun, tasks }) => {
      if (tasks === undefined) return
      const started = tasks.filter((task) => task.started).length
      if (started > interrupted || tasks.length - started > neverRun) {
        this.broken ??= `the report lists ${tasks.length} tasks, ${started} of them started`
      }
    })
  }

  /** Forks a task of a few steps and keeps its handle. */
  fork(
    verb: (pool: TaskPoolService, task: Effect.Effect<number>) => Effect.Effect<TaskHandle<unknown, unknown>, unknown>,
    body: Effect.Effect<unknown> = Effect.yieldNow
  ): Effect.Effect<unknown, unknown> {
    const probe = this.probe()
    return Effect.matchCauseEffect(verb(this.pool, this.task(probe, body)), {
      onSuccess: (handle) =>
        Effect.sync(() => {
          probe.handle = handle
          this.handles.push(handle)
        }),
      onFailure: (cause) => Effect.sync(() => void (probe.told = Exit.failCause(cause)))
    })
  }

  /** Runs three tasks of a few steps in bulk. */
  forEach(options?: ForEachOptions): Effect.Effect<unknown, unknown> {
    const probes = [this.probe(), this.probe(), this.probe()]
    if (options?.permits !== undefined) this.permits = 2
    return this.telling(
      probes,
      this.pool.forEach(probes, (probe) => this.task(probe, Effect.yieldNow), options)
    )
  }

  /** Runs two tasks of a few steps as a record. */
  all(): Effect.Effect<unknown, unknown> {
    const [one, other] = [this.probe(), this.probe()]
    const record = { one: this.task(one, Effect.yieldNow), other: this.task(other, Effect.yieldNow) }
    return this.telling([one, other], this.pool.all(record))
  }

  /** Runs three tasks of a few steps as a stream. */
  mapEffect(): Effect.Effect<unknown, unknown> {
    const probes = [this.probe(), this.probe(), this.probe()]
    const mapped = this.pool.mapEffect(Stream.fromIterable(probes), (probe) => this.task(probe, Effect.yieldNow))
    return this.telling(probes, Stream.runDrain(mapped))
  }

  // A submitter that has received the result of a task, or was interrupted, finds it ended: it must not run or begin
  // later.
  private telling(probes: ReadonlyArray<Probe>, effect: Effect.Effect<unknown, unknown>) {
    return Effect.onExit(effect, (exit) =>
      Effect.sync(() => {
        if (probes.length === 1) probes[0]!.told = exit
        for (const probe of probes) {
          if (probe.begun !== probe.ended) this.broken ??= "I1: a submitter is told while its task runs"
          probe.over = true
        }
      })
    )
  }

  /** Ends the scope that the pool lives in. */
  endScope(exit: Exit.Exit<unknown, unknown>): Effect.Effect<void> {
    return Effect.suspend(() => {
      this.scopeEnds = true
      return Scope.close(this.scope, exit)
    })
  }

  /** Lets every task end, and advances the time beyond the timeouts of draining. */
  get release(): Effect.Effect<unknown> {
    return Effect.gen({ self: this }, function* () {
      yield* this.gate.open
      // Each attempt of a task may be late, and may need a second of its own.
      for (let second = 0; second < 30; second++) {
        // Tasks that wait on a pool without workers run when it has some again.
        if (statsOf(this.pool).phase !== "Closed") yield* this.pool.resize(2)
        yield* this.clock.adjust("1 second")
        for (let i = 0; i < 8; i++) yield* Effect.yieldNow
        const { atDoor, delayed, running, waiting } = statsOf(this.pool)
        if (running + waiting + delayed + atDoor === 0) return
      }
    })
  }

  /** Checks the rules that hold after every step. */
  watch(): void {
    const stats = statsOf(this.pool)
    const { busy, running, waiting } = stats
    if (this.broken !== undefined) violated(this.broken, stats)
    // Counting the tasks that may come back is only worth it if too many wait.
    const rule = (ruleBrokenBy(stats) && ruleBrokenBy(stats, this.comingBack)) ?? this.limit.look(stats)
    if (rule !== undefined) violated(rule, stats)
    if (stats.atDoor > 0 && waiting < stats.capacity && (stats.phase === "Open" || stats.phase === "Held")) {
      violated("I9: a submitter waits at the door beside a free place", stats)
    }
    if (this.running > running) violated(`I1: ${this.running} tasks really run`, stats)
    if (this.running - this.inside > busy) violated(`I1: ${this.running - this.inside} tasks really compute`, stats)
  }

  /** The number of tasks that have begun and may begin again. They may wait beyond the capacity. */
  private get comingBack(): number {
    return this.probes.filter(({ attempts, begun, over }) => attempts > 1 && begun > 0 && !over).length
  }

  /** Checks the rules that hold at rest. */
  rest(): void {
    const stats = statsOf(this.pool)
    // The clock may have gone on before the pool slept until the next start.
    const mayComeLater = this.rated && this.clock.sleepers > 0
    const mayHaveToWait = mayComeLater || this.isKeyFull(stats.waiting)
    const rule = ruleBrokenAtRest(stats, { permits: this.permits, mayHaveToWait })
    if (rule !== undefined) violated(rule, stats)
  }

  // A task at the door may have the key, too.
  private isKeyFull(waiting: number): boolean {
    if (this.perKey === undefined) return false
    const key = now(this.pool.statsOf("key"))
    return key.running >= this.perKey && key.waiting === waiting
  }

  /** Checks the rules that hold at the end, first those of the tasks, then those of the pool. */
  get check(): Effect.Effect<unknown, unknown> {
    return Effect.gen({ self: this }, function* () {
      const stats = statsOf(this.pool)
      if (stats.running + stats.waiting + stats.delayed > 0) violated("I3: tasks have not settled", stats)
      if (stats.busy + stats.lent > 0) violated("I1: a worker has not come back", stats)
      for (const probe of this.probes) {
        if (probe.handle === undefined) continue
        const exit = yield* probe.handle.poll
        if (exit._tag === "None" || (yield* probe.handle.state) !== "Done") {
          return violated("I3: a handle has not settled", stats)
        }
        probe.told = exit.value
      }
      const unfit = this.probes.find((probe) => !isFit(probe))
      if (unfit !== undefined)
        violated(`I3: told ${String(unfit.told)}, begun ${unfit.begun}, ended ${unfit.ended}`, stats)
      if (this.scopeEnds) return
      if (stats.phase === "Open") {
        // What has ended must not get the rejection of a pause.
        yield* this.pool.pause
        const { rejected } = statsOf(this.pool)
        if (rejected > stats.rejected) violated("an operation that has ended still asks for admission", stats)
        yield* this.pool.resume
      }
      // The rate forgets the starts so far.
      yield* this.clock.adjust("1 second")
      yield* checkStillWorks(this.pool)
    })
  }

  private probe(attempts = 1): Probe {
    const probe: Probe = { attempts, begun: 0, ended: 0, over: false, handle: undefined, told: undefined }
    this.probes.push(probe)
    return probe
  }

  private task<E>(probe: Probe, body: Effect.Effect<unknown, E>): Effect.Effect<number, E> {
    return Effect.acquireUseRelease(
      Effect.sync(() => {
        if (probe.over) this.broken ??= "I3: a task begins when its submitter was told already"
        probe.begun++
        this.running++
      }),
      () => Effect.as(body, this.probes.indexOf(probe)),
      () =>
        Effect.andThen(
          Effect.yieldNow,
          Effect.sync(() => {
            probe.ended++
            this.running--
          })
        )
    )
  }
}

// Whether the result that a submitter received matches what its task did.
const isFit = ({ attempts, begun, ended, told }: Probe): boolean => {
  if (begun > attempts || begun !== ended) return false
  if (told === undefined) return true
  if (Exit.isSuccess(told)) return begun > 0
  const error: any = told.cause.reasons.find(Cause.isFailReason)?.error
  if (error?._tag === "NotAvailable" || (error?._tag === "TaskCancelled" && !error.started)) return begun === 0
  return true
}

const violated = (what: string, stats: PoolStats): never => {
  throw new Error(`${what}: ${JSON.stringify(stats)}`)
}
