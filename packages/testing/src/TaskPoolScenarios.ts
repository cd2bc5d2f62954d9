/**
 * The operations of a task pool as scenarios for `everyStep` and `randomSteps`: each operation is interrupted at every
 * step, on an idle, a busy, a full and an empty pool, while any other operation races it.
 *
 * After every step the pool's statistics must add up (I3), no more tasks may wait than the capacity allows (I8), no
 * submitter may wait at the door beside a free place (I9), and no more tasks may run than the pool reports and its
 * target allows (I1). At rest no task may wait beside a free worker (I2). At the end every task must have settled with
 * the result that its submitter received, none may have begun twice, and the pool must still run as many tasks at once
 * as it has workers.
 *
 * @since 0.1.0
 */
import { type PoolOptions, type TaskHandle, TaskPool, type TaskPoolService } from "@aio-task-pool/core"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Latch from "effect/Latch"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { Scenario } from "./EveryStep.ts"
import { checkStillWorks, type Entry, Ledger, statsOf } from "./internal/ledger.ts"
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
      setup: (clock: StepClock) => PoolWorld.make(layerOf(options), clock, held, queued),
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
  "full, failing": { options: { size: 1, capacity: 1, onFull: "fail" }, held: 1, queued: 1 }
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
  private readonly ledger: Ledger
  private scopeEnds = false

  private constructor(pool: TaskPoolService, clock: StepClock, scope: Scope.Closeable) {
    this.pool = pool
    this.clock = clock
    this.scope = scope
    this.ledger = new Ledger(pool)
  }

  /** Builds the pool in its own scope and submits its first tasks. */
  static readonly make = Effect.fnUntraced(function* (
    layer: Layer.Layer<TaskPool>,
    clock: StepClock,
    held: number,
    queued: number
  ) {
    const scope = yield* Effect.acquireRelease(Scope.make(), (scope) => Scope.close(scope, Exit.void))
    const context = yield* Layer.buildWithScope(layer, scope)
    const world = new PoolWorld(Context.get(context, TaskPool), clock, scope)
    for (let i = 0; i < held; i++) yield* world.fork((pool, task) => pool.fork(task), world.gate.await)
    for (let i = 0; i < queued; i++) yield* world.fork((pool, task) => pool.fork(task))
    world.watch()
    return world
  })

  /** Submits a task of a few steps, and keeps the result that the submitter receives. */
  submit(): Effect.Effect<unknown, unknown> {
    return this.ledger.calling(() => {
      const entry = this.ledger.entry("a task")
      return { entries: [entry], effect: this.pool.submit(this.task(entry)) }
    })
  }

  /** Forks a task of a few steps and keeps its handle. */
  fork(
    verb: (pool: TaskPoolService, task: Effect.Effect<number>) => Effect.Effect<TaskHandle<unknown, unknown>, unknown>,
    body: Effect.Effect<unknown> = Effect.yieldNow
  ): Effect.Effect<unknown, unknown> {
    return this.ledger.forking(() => {
      const entry = this.ledger.entry("a forked task")
      return { entry, effect: verb(this.pool, this.task(entry, body)) }
    }, this.handles)
  }

  /** Runs three tasks of a few steps in bulk. */
  forEach(): Effect.Effect<unknown, unknown> {
    return this.bulk(3, (entries) => this.pool.forEach(entries, (entry) => this.task(entry)))
  }

  /** Runs two tasks of a few steps as a record. */
  all(): Effect.Effect<unknown, unknown> {
    return this.bulk(2, ([one, other]) => this.pool.all({ one: this.task(one!), other: this.task(other!) }))
  }

  /** Runs three tasks of a few steps as a stream. */
  mapEffect(): Effect.Effect<unknown, unknown> {
    return this.bulk(3, (entries) =>
      Stream.runDrain(this.pool.mapEffect(Stream.fromIterable(entries), (entry) => this.task(entry)))
    )
  }

  private bulk(length: number, run: (entries: ReadonlyArray<Entry>) => Effect.Effect<unknown, unknown>) {
    return this.ledger.calling(() => {
      const entries = Array.from({ length }, (_, item) => this.ledger.entry(`item ${item}`, true))
      return { entries, effect: run(entries) }
    }, 1)
  }

  private task(entry: Entry, body: Effect.Effect<unknown> = Effect.yieldNow): Effect.Effect<number> {
    return this.ledger.task(entry, Effect.as(body, this.ledger.entries.indexOf(entry)))
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
      yield* this.clock.adjust("1 second")
      // Tasks that wait on a pool without workers run when it has one again.
      if (statsOf(this.pool).phase !== "Closed") yield* this.pool.resize(1)
    })
  }

  /** Checks the rules that hold after every step. */
  watch(): void {
    const { atDoor, capacity, phase, waiting } = this.ledger.check("after a step")
    if (atDoor > 0 && waiting < capacity && phase === "Open") {
      this.ledger.violated("I9: a submitter waits at the door beside a free place", "after a step")
    }
    this.ledger.throwViolation()
  }

  /** Checks the rules that hold at rest. */
  rest(): void {
    this.ledger.rest()
    this.ledger.throwViolation()
  }

  /** Checks the rules that hold at the end, first those of the tasks, then those of the pool. */
  get check(): Effect.Effect<unknown, unknown> {
    return Effect.suspend(() => {
      const { running, waiting } = this.ledger.rest()
      if (running + waiting > 0) this.ledger.violated("I3: tasks have not settled", "at the end")
      this.ledger.finish()
      this.ledger.throwViolation()
      return this.scopeEnds ? Effect.void : checkStillWorks(this.pool)
    })
  }
}
