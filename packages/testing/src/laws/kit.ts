/**
 * What the laws are written with: how a law is registered, and tasks that begin and end when a law says so.
 */
import type { PoolOptions, PoolStats, TaskHandle, TaskPoolService } from "@aio-task-pool/core"
import { TaskPool } from "@aio-task-pool/core"
import { assert, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import type * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { ruleBrokenBy } from "../internal/rules.ts"

/** A pool as the laws need it; see `LawOptions` of the module `TaskPoolLaws`. */
export interface LawOptions extends PoolOptions {
  readonly size: number
  readonly minSize?: number | undefined
  readonly maxSize?: number | undefined
}

/** Gives the layer of the pool under test. */
export type LayerOf<Options> = (options: Options) => Layer.Layer<TaskPool>

/** Asks a pool without bounds, which knows neither `minSize` nor `maxSize`, again without them. */
export const withOptionalBounds =
  (layerOf: LayerOf<LawOptions>): LayerOf<LawOptions> =>
  (options) => {
    // A plain `try`: an unknown option is thrown where the layer is made.
    try {
      return layerOf(options)
    } catch (error) {
      const { maxSize, minSize, ...others } = options
      if (!(error instanceof TypeError) || (maxSize === undefined && minSize === undefined)) throw error
      return layerOf(others)
    }
  }

/** What a law may say of the pool it is about; `size` defaults to 1. */
export interface LawPool extends Partial<LawOptions> {
  /** The least capacity the law can be shown with, default 0. */
  readonly needs?: number | undefined
}

/** The time limit of a law, in milliseconds. No law depends on how fast the machine is: one that takes longer hangs. */
export const lawTimeout = 3 * 60_000

/** Registers the laws of one pool with one capacity. */
export class Laws {
  readonly layerOf: LayerOf<LawOptions>
  readonly capacity: number | undefined

  constructor(layerOf: LayerOf<LawOptions>, capacity: number | undefined) {
    this.layerOf = layerOf
    this.capacity = capacity
  }

  /** Registers a law, unless the capacity is too small to show it. */
  law(
    sentence: string,
    { needs = 0, ...options }: LawPool,
    body: (pool: TaskPoolService) => Effect.Effect<unknown, unknown, Scope.Scope>
  ): void {
    if ((this.capacity ?? Infinity) < needs) return
    const layer = this.layerOf({ size: 1, capacity: this.capacity, ...options })
    it.effect(sentence, () => Effect.provide(Effect.scoped(Effect.flatMap(TaskPool, body)), layer), lawTimeout)
  }

  /** A law that brings its own capacity: shown once. */
  lawOnce(
    sentence: string,
    options: LawPool,
    body: (pool: TaskPoolService) => Effect.Effect<unknown, unknown, Scope.Scope>
  ): void {
    if (this.capacity === undefined) this.law(sentence, options, body)
  }

  /** A law about a program of promises, which takes the pool of its layer by itself: shown once. */
  liveOnce(sentence: string, body: (layer: Layer.Layer<TaskPool>) => Promise<void>): void {
    if (this.capacity !== undefined) return
    it.live(sentence, () => Effect.promise(() => body(this.layerOf({ size: 2 }))), 600_000)
  }
}

/** A task that waits in its body, and perhaps in its finalizer, until it is released. */
export interface Gated<A> {
  readonly task: Effect.Effect<A>
  readonly started: Effect.Effect<void>
  readonly open: Effect.Effect<void>
  /** Lets the finalizer end; it is open from the start unless the task was made with `gatedFinalizer`. */
  readonly openFinalizer: Effect.Effect<void>
  /** Times the body began, and its finalizers ended. */
  readonly counts: { begun: number; finalized: number }
}

const gate = <A>(value: A, body: Latch.Latch, finalizer: Latch.Latch): Gated<A> => {
  const started = Latch.makeUnsafe()
  const counts = { begun: 0, finalized: 0 }
  const begin = Effect.sync(() => {
    counts.begun++
    started.openUnsafe()
  })
  const finalize = Effect.andThen(
    finalizer.await,
    Effect.sync(() => counts.finalized++)
  )
  return {
    task: begin.pipe(Effect.andThen(body.await), Effect.andThen(Effect.succeed(value)), Effect.ensuring(finalize)),
    started: started.await,
    open: body.open,
    openFinalizer: finalizer.open,
    counts
  }
}

/** A task that ends with `value` when it is opened. */
export const gated = <A>(value: A): Gated<A> => gate(value, Latch.makeUnsafe(), Latch.makeUnsafe(true))

/** A task that never ends by itself, and whose finalizer waits for `openFinalizer`. */
export const gatedFinalizer = (): Gated<never> => gate(undefined as never, Latch.makeUnsafe(), Latch.makeUnsafe())

/** A task that nothing can interrupt while it waits to be opened. */
export const stubborn = <A>(value: A): Gated<A> => {
  const gated_ = gated(value)
  return { ...gated_, task: Effect.uninterruptible(gated_.task) }
}

/**
 * Two tasks: when the second is interrupted, the first one ends by itself in the same step, before anybody could
 * interrupt it.
 */
export const chained = <A>(value: A) => {
  const latch = Latch.makeUnsafe()
  const own = Effect.as(latch.await, value)
  const trigger = Effect.onInterrupt(Effect.never, () => Effect.sync(() => latch.openUnsafe()))
  return { own, trigger }
}

/** Keeps `count` workers busy until it is released. */
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

/** Starts an effect now, up to where it waits. */
export const start = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<Fiber.Fiber<A, E>, never, R> =>
  Effect.forkChild(effect, { startImmediately: true })

/** Lets everything run that can run. */
export const settle: Effect.Effect<void> = Effect.forEach(Array.from({ length: 20 }), () => Effect.yieldNow, {
  discard: true
})

/** Waits until the pool's numbers are as told; fails with the numbers when they do not get there. */
export const until = (pool: TaskPoolService, holds: (stats: PoolStats) => boolean): Effect.Effect<void> =>
  Effect.gen(function* () {
    for (let i = 0; i < 500; i++) {
      if (holds(yield* pool.stats)) return
      yield* Effect.yieldNow
    }
    return assert.fail(`the pool never got there: ${JSON.stringify(yield* pool.stats)}`)
  })

/** Whether a fiber has ended. */
export const hasEnded = (fiber: Fiber.Fiber<unknown, unknown>): boolean => fiber.pollUnsafe() !== undefined

/** Some of a pool's numbers. */
export const expectStats = (pool: TaskPoolService, expected: Partial<PoolStats>): Effect.Effect<void> =>
  Effect.map(pool.stats, (stats) => {
    const actual = Object.fromEntries(Object.keys(expected).map((key) => [key, stats[key as keyof PoolStats]]))
    assert.deepStrictEqual(actual, expected)
    expectConserved(stats)
  })

/** Expects the statistics to keep the rules of every moment: conservation, I1, I8. */
export const expectConserved = (stats: PoolStats): void => {
  const rule = ruleBrokenBy(stats)
  if (rule !== undefined) assert.fail(`${rule}: ${JSON.stringify(stats)}`)
}

/** Expects `TaskCancelled`. */
export const expectCancelled = (
  exit: Exit.Exit<unknown, unknown>,
  expected: { readonly reason: string; readonly started: boolean }
): void => {
  const { pool, reason, started } = failureOf(exit, "TaskCancelled")
  assert.deepStrictEqual({ reason, started }, expected)
  assert.isString(pool)
}

/** Expects `NotAvailable`. */
export const expectNotAvailable = (exit: Exit.Exit<unknown, unknown>, reason: string): void => {
  const error = failureOf(exit, "NotAvailable")
  assert.strictEqual(error["reason"], reason)
  assert.isString(error["pool"])
  expectConserved(error["stats"] as PoolStats)
}

/** The typed failure of that tag. */
export const failureOf = (exit: Exit.Exit<unknown, unknown>, tag: string): Record<string, unknown> => {
  const error = Exit.isFailure(exit) ? exit.cause.reasons.find(Cause.isFailReason)?.error : undefined
  if (!isTagged(error) || error._tag !== tag) return assert.fail(`expected ${tag}, got ${String(exit)}`)
  return error
}

/** The defect of an exit. */
export const defectOf = (exit: Exit.Exit<unknown, unknown>): unknown => {
  const reason = Exit.isFailure(exit) ? exit.cause.reasons.find(Cause.isDieReason) : undefined
  return reason === undefined ? assert.fail(`expected a defect, got ${String(exit)}`) : reason.defect
}

const isTagged = (value: unknown): value is Record<string, unknown> & { readonly _tag: string } =>
  typeof value === "object" && value !== null && "_tag" in value
