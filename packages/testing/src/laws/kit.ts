/**
 * The test kit of the laws and of the other packages' tests: registers laws, makes tasks that begin and end when a test
 * says so, and checks exits and statistics.
 */
import type { NotAvailable, PoolOptions, PoolStats, TaskHandle, TaskPoolService } from "@aio-task-pool/core"
import { TaskCancelled, TaskPool } from "@aio-task-pool/core"
import { assert, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import type * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as References from "effect/References"
import type * as Scope from "effect/Scope"
import { ruleBrokenBy } from "../internal/rules.ts"

/** The pool that a law needs; see `LawOptions` of the module `TaskPoolLaws`. */
export interface LawOptions extends PoolOptions {
  readonly size: number
  readonly minSize?: number | undefined
  readonly maxSize?: number | undefined
}

/** Returns the layer of the pool under test. */
export type LayerOf<Options> = (options: Options) => Layer.Layer<TaskPool>

/** Makes a pool that knows neither `minSize` nor `maxSize` again without them. */
export const withOptionalBounds =
  (layerOf: LayerOf<LawOptions>): LayerOf<LawOptions> =>
  (options) => {
    // A plain `try`, because an unknown option throws when the layer is made.
    try {
      return layerOf(options)
    } catch (error) {
      const { maxSize, minSize, ...others } = options
      if (!(error instanceof TypeError) || (maxSize === undefined && minSize === undefined)) throw error
      return layerOf(others)
    }
  }

/** Options of the pool of a law; `size` defaults to 1. */
export interface LawPool extends Partial<LawOptions> {
  /** The smallest capacity with which the law can be tested, default 0. */
  readonly needs?: number | undefined
}

/** The timeout of a law, in milliseconds. No law depends on the speed of the machine: one that takes longer hangs. */
export const lawTimeout = 3 * 60_000

/** Registers the laws of one pool with one capacity. */
export class Laws {
  readonly layerOf: LayerOf<LawOptions>
  readonly capacity: number | undefined

  constructor(layerOf: LayerOf<LawOptions>, capacity: number | undefined) {
    this.layerOf = layerOf
    this.capacity = capacity
  }

  /** The capacity for a law about a full queue, which an unbounded queue never is. */
  get bound(): number {
    return this.capacity ?? 2
  }

  /** Registers a law, unless the capacity is too small to test it. */
  law(
    sentence: string,
    { needs = 0, ...options }: LawPool,
    body: (pool: TaskPoolService) => Effect.Effect<unknown, unknown, Scope.Scope>
  ): void {
    if ((this.capacity ?? Infinity) < needs) return
    const layer = this.layerOf({ size: 1, capacity: this.capacity, ...options })
    it.effect(sentence, () => Effect.provide(Effect.scoped(Effect.flatMap(TaskPool, body)), layer), lawTimeout)
  }

  /** Registers a law that sets its own capacity: once. */
  lawOnce(
    sentence: string,
    options: LawPool,
    body: (pool: TaskPoolService) => Effect.Effect<unknown, unknown, Scope.Scope>
  ): void {
    if (this.capacity === undefined) this.law(sentence, options, body)
  }

  /** Registers a law about a program of promises, which builds the pool itself: once. */
  liveOnce(sentence: string, body: (layer: Layer.Layer<TaskPool>) => Promise<void>): void {
    if (this.capacity !== undefined) return
    it.live(sentence, () => Effect.promise(() => body(this.layerOf({ size: 2 }))), 600_000)
  }
}

/** A task whose body, and perhaps whose finalizer, waits until a test opens it. */
export interface Gated<A> {
  readonly task: Effect.Effect<A>
  readonly started: Effect.Effect<void>
  readonly open: Effect.Effect<boolean>
  /** Lets the finalizer end. Only `gatedFinalizer` makes a finalizer that waits for it. */
  readonly openFinalizer: Effect.Effect<boolean>
  /** How often the body began, and how often its finalizer ended. */
  readonly counts: { begun: number; ended: number }
}

const gate = <A>(value: A, body: Latch.Latch, finalizer: Latch.Latch): Gated<A> => {
  const started = Latch.makeUnsafe()
  const counts = { begun: 0, ended: 0 }
  const begin = Effect.sync(() => {
    counts.begun++
    started.openUnsafe()
  })
  const finalize = Effect.andThen(
    finalizer.await,
    Effect.sync(() => counts.ended++)
  )
  return {
    task: begin.pipe(Effect.andThen(body.await), Effect.andThen(Effect.succeed(value)), Effect.ensuring(finalize)),
    started: started.await,
    open: body.open,
    openFinalizer: finalizer.open,
    counts
  }
}

/** Makes a task that succeeds with `value` when it is opened. */
export const gated = <A>(value: A): Gated<A> => gate(value, Latch.makeUnsafe(), Latch.makeUnsafe(true))

/** Makes a task that only an interruption ends, and whose finalizer waits for `openFinalizer`. */
export const gatedFinalizer = (): Gated<never> => gate(undefined as never, Latch.makeUnsafe(), Latch.makeUnsafe())

/** Makes a task that cannot be interrupted until it is opened. */
export const stubborn = <A>(value: A): Gated<A> => {
  const gated_ = gated(value)
  return { ...gated_, task: Effect.uninterruptible(gated_.task) }
}

/**
 * Makes two tasks: when `trigger` is interrupted, `own` succeeds in the same step, before the pool can interrupt it.
 */
export const chained = <A>(value: A) => {
  const latch = Latch.makeUnsafe()
  const own = Effect.as(latch.await, value)
  const trigger = Effect.onInterrupt(Effect.never, () => Effect.sync(() => latch.openUnsafe()))
  return { own, trigger }
}

/** Keeps `count` workers busy until `release`. */
export const occupy = Effect.fnUntraced(function* (pool: TaskPoolService, count: number) {
  const tasks = Array.from({ length: count }, (_, i) => gated(i))
  const handles: Array<TaskHandle<number>> = []
  for (const { started, task } of tasks) {
    handles.push(yield* pool.fork(task))
    yield* started
  }
  return {
    tasks,
    handles,
    release: Effect.forEach(tasks, (task) => task.open, { discard: true })
  }
})

/** Starts an effect now, and returns when it waits. */
export const start = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<Fiber.Fiber<A, E>, never, R> =>
  Effect.forkChild(effect, { startImmediately: true })

/** Lets every fiber run until it waits. */
export const settle: Effect.Effect<void> = Effect.forEach(Array.from({ length: 20 }), () => Effect.yieldNow, {
  discard: true
})

/** Waits until the statistics fulfill a condition, and fails with the statistics if they do not. */
export const until = (pool: TaskPoolService, holds: (stats: PoolStats) => boolean): Effect.Effect<void> =>
  Effect.gen(function* () {
    for (let i = 0; i < 500; i++) {
      if (holds(yield* pool.stats)) return
      yield* Effect.yieldNow
    }
    return assert.fail(`the condition never held: ${JSON.stringify(yield* pool.stats)}`)
  })

/** Returns whether a fiber has ended. */
export const hasEnded = (fiber: Fiber.Fiber<unknown, unknown>): boolean => fiber.pollUnsafe() !== undefined

/** Compares some statistics of a pool, by default the one in the context, and checks that no task is missing. */
export const expectStats: {
  (pool: TaskPoolService, expected: Partial<PoolStats>): Effect.Effect<void>
  (expected: Partial<PoolStats>): Effect.Effect<void, never, TaskPool>
} = (...args: [TaskPoolService, Partial<PoolStats>] | [Partial<PoolStats>]): Effect.Effect<void> => {
  // Only the second signature has a requirement, and only a call of it reads the pool from the context.
  const [all, expected] =
    args.length === 2 ? [args[0].stats, args[1]] : [TaskPool.stats as Effect.Effect<PoolStats>, args[0]]
  return Effect.map(all, (stats) => {
    const actual = Object.fromEntries(Object.keys(expected).map((key) => [key, stats[key as keyof PoolStats]]))
    assert.deepStrictEqual(actual, expected)
    expectConserved(stats)
  })
}

/** Checks that the statistics add up (I3), and that no more tasks wait than the capacity allows (I8). */
export const expectConserved = (stats: PoolStats): void => {
  const rule = ruleBrokenBy(stats)
  if (rule !== undefined) assert.fail(`${rule}: ${JSON.stringify(stats)}`)
}

/** Checks that an exit is this `TaskCancelled`. */
export const expectCancelled = (
  exit: Exit.Exit<unknown, unknown>,
  expected: { readonly reason: string; readonly started: boolean }
): void => {
  const { pool, reason, started } = failureOf(exit, "TaskCancelled") as TaskCancelled
  assert.deepStrictEqual({ reason, started }, expected)
  assert.isString(pool)
}

/** Checks that an exit is `NotAvailable` with this reason. */
export const expectNotAvailable = (exit: Exit.Exit<unknown, unknown>, reason: string): void => {
  const error = failureOf(exit, "NotAvailable") as NotAvailable
  assert.strictEqual(error.reason, reason)
  assert.isString(error.pool)
  expectConserved(error.stats)
}

/** Returns the typed failure of an exit, which must have the tag, if one is given. */
export const failureOf = <A, E>(exit: Exit.Exit<A, E>, tag?: string): E => {
  const reason = Exit.isFailure(exit) ? exit.cause.reasons.find(Cause.isFailReason) : undefined
  if (reason === undefined) return assert.fail(`expected a failure, got ${String(exit)}`)
  const error: any = reason.error
  return tag === undefined || error?._tag === tag ? error : assert.fail(`expected ${tag}, got ${String(exit)}`)
}

/** Returns the `TaskCancelled` of an exit. */
export const cancellationOf = (exit: Exit.Exit<unknown, unknown>): TaskCancelled => {
  const error = failureOf(exit)
  return error instanceof TaskCancelled ? error : assert.fail(`expected TaskCancelled, got ${String(exit)}`)
}

/** Returns the defect of an exit. */
export const defectOf = (exit: Exit.Exit<unknown, unknown>): unknown => {
  const reason = Exit.isFailure(exit) ? exit.cause.reasons.find(Cause.isDieReason) : undefined
  return reason === undefined ? assert.fail(`expected a defect, got ${String(exit)}`) : reason.defect
}

/** Returns whether an exit is an interruption and nothing else. */
export const isInterrupted = (exit: Exit.Exit<unknown, unknown>): boolean =>
  Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause)

/** Makes a logger that keeps the defects it is given. */
export const defectLog = () => {
  const defects: Array<unknown> = []
  const logger = Logger.make<unknown, void>(({ cause }) => {
    for (const reason of cause.reasons) if (Cause.isDieReason(reason)) defects.push(reason.defect)
  })
  return { defects, layer: Logger.layer([logger]) }
}

/** A line of a log. */
export interface LogLine {
  readonly level: string
  readonly message: unknown
  readonly annotations: Readonly<Record<string, unknown>>
  readonly cause: Cause.Cause<unknown>
}

/** Makes a logger that keeps the lines it is given. */
export const lineLog = () => {
  const lines: Array<LogLine> = []
  const logger = Logger.make<unknown, void>(({ cause, fiber, logLevel, message }) => {
    const annotations = fiber.getRef(References.CurrentLogAnnotations)
    // A line has an array of messages, here of one.
    lines.push({ level: logLevel, message: Array.isArray(message) ? message[0] : message, annotations, cause })
  })
  return { lines, logger, layer: Logger.layer([logger]) }
}
