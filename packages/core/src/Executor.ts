/**
 * Runs blocking functions where they do not block the program.
 *
 * This module defines the service, its statics, and the interface of an implementation (`ExecutorDriver`).
 * `layerInline` runs jobs in the calling thread; `NodeExecutor` of `@aio-task-pool/node` runs them on worker threads.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as References from "effect/References"
import type { Scope } from "effect/Scope"
import * as Tracer from "effect/Tracer"
import type { ExecutorDriver, ExecutorStats } from "./ExecutorDriver.ts"
import type { ExecutorError } from "./ExecutorError.ts"
import { checkBoolean, checkKnown, checkPositive } from "./internal/arguments.ts"
import * as inline from "./internal/executorInline.ts"
import { entered } from "./internal/registry.ts"
import type { Cloneable, Job } from "./Job.ts"

export type {
  ExecutorCall,
  ExecutorDriver,
  ExecutorStats,
  ExecutorThread,
  ThreadReplacement
} from "./ExecutorDriver.ts"

/**
 * The operations of an executor.
 *
 * **Details**
 *
 * `Self` is what a caller must provide: nothing for the service itself, the tag for its statics.
 *
 * @category models
 * @since 0.1.0
 */
export interface ExecutorOperations<in out Self> {
  /**
   * Runs a job and waits for its result.
   *
   * **Details**
   *
   * Arguments and result are copied by structured clone, except for objects in `transfer`, which are moved, and shared
   * memory (`SharedArrayBuffer`). Interrupting the caller removes a waiting job. If the job has begun, its thread is
   * terminated in the background and replaced; with `onInterrupt: "abandon"` the job continues and its result is
   * dropped. In both cases the caller returns at once.
   *
   * If spans are recorded, the job has one, `Executor.run`, with its queue time and run time in seconds.
   *
   * **Gotchas**
   *
   * Arguments are copied when the job is posted to a thread, not when it is submitted. Do not change them meanwhile. A
   * job that was posted behind a long one is posted again, which copies them again and runs their getters again.
   *
   * **Example** (Running a job in the calling thread, for tests)
   *
   * ```ts
   * import { Executor, Job } from "@aio-task-pool/core"
   * import { Effect } from "effect"
   *
   * const add = Job.define(import.meta, "add", (a: number, b: number) => a + b)
   *
   * await Effect.runPromise(Effect.provide(Executor.run(add, [1, 2]), Executor.layerInline)) // => 3
   * ```
   */
  readonly run: <Args extends ReadonlyArray<any>, A>(
    job: Job<Args, A>,
    ...rest: RunArguments<NoInfer<Args>>
  ) => Effect.Effect<Awaited<A>, ExecutorError, Self>
  /**
   * Runs a job for each item and waits for all results, by default in the order of the items.
   *
   * **When to use**
   *
   * Use it with a `chunk` for many short calls: a chunk travels to its thread and back as one message.
   *
   * **Details**
   *
   * Items are pulled as threads can take them, so the iterable may be long. The first failure interrupts the rest, as
   * in `Effect.forEach`.
   *
   * **Gotchas**
   *
   * If one call of a chunk throws or the thread crashes, the other results of the chunk are lost.
   *
   * **Example** (Sending a hundred calls as two messages)
   *
   * ```ts
   * import { Executor, Job } from "@aio-task-pool/core"
   * import { Effect } from "effect"
   *
   * const double = Job.define(import.meta, "double", (n: number) => n * 2)
   *
   * const program = Executor.map(double, Array.from({ length: 100 }, (_, i) => i), { chunk: 50 })
   *
   * const results = await Effect.runPromise(Effect.provide(program, Executor.layerInline))
   * results.slice(0, 3) // => [0, 2, 4]
   * ```
   */
  readonly map: <Args extends readonly [any, ...Array<any>], A>(
    job: Job<Args, A>,
    items: Iterable<MapItem<NoInfer<Args>>>,
    options?: MapOptions
  ) => Effect.Effect<Array<Awaited<A>>, ExecutorError, Self>
  /** Returns an atomic snapshot of the executor's statistics. */
  readonly stats: Effect.Effect<ExecutorStats, never, Self>
}

/**
 * The service of an executor's tag: `Executor["Service"]`.
 *
 * @category models
 * @since 0.1.0
 */
export interface ExecutorService extends ExecutorOperations<never> {}

/**
 * The parameters of `run` after the job: its arguments, which may be omitted if the job has no parameters, and options.
 *
 * @category models
 * @since 0.1.0
 */
export type RunArguments<Args extends ReadonlyArray<any>> = Args extends readonly []
  ? [args?: Readonly<Args & Cloneable<Args>>, options?: RunOptions]
  : [args: Readonly<Args & Cloneable<Args>>, options?: RunOptions]

/**
 * The items that a job can be mapped over: the type of its first parameter, if the other parameters are optional.
 *
 * @category models
 * @since 0.1.0
 */
export type MapItem<Args extends readonly [any, ...Array<any>]> = [Args[0]] extends Args ? Cloneable<Args[0]> : never

/**
 * Options of `run`.
 *
 * @category options
 * @since 0.1.0
 */
export interface RunOptions {
  /** Objects in the arguments to move instead of copy, such as array buffers and message ports, default none. */
  readonly transfer?: ReadonlyArray<object> | undefined
  /**
   * What happens to a running job when its caller is interrupted. `"terminate"`, the default, terminates its thread.
   * `"abandon"` lets the job continue, which keeps its thread busy, and drops the result.
   */
  readonly onInterrupt?: "terminate" | "abandon" | undefined
}

/**
 * Options of `map`.
 *
 * @category options
 * @since 0.1.0
 */
export interface MapOptions {
  /** The number of items sent as one message, an integer of 1 or more, default 1. */
  readonly chunk?: number | undefined
  /** The number of chunks in progress at once, an integer of 1 or more, default 16 per thread. */
  readonly concurrency?: number | undefined
  /** Whether results are in the order in which chunks end, default `false`. */
  readonly unordered?: boolean | undefined
  /** The same as for `run`. */
  readonly onInterrupt?: "terminate" | "abandon" | undefined
}

/**
 * A tag for another executor, with all operations as statics.
 *
 * @category models
 * @since 0.1.0
 */
export type ExecutorTag<Self, Id extends string> = Context.ServiceClass<Self, Id, ExecutorService> &
  ExecutorOperations<Self> & {
    /**
     * Runs jobs in the calling thread, for tests and for platforms without threads.
     *
     * **Details**
     *
     * Arguments and results are copied as on the way to a thread, so a job that works here also works there. A job
     * blocks the program while it runs and cannot be interrupted. A job that never ends, exits or runs out of memory
     * affects the whole process.
     */
    readonly layerInline: Layer.Layer<Self>
  }

/**
 * The executor that a program runs its blocking functions on: a service, with every operation also as a static.
 *
 * **When to use**
 *
 * Use it for functions that block, or that compute for more than about a tenth of a millisecond: the rest of the
 * program stands still while they run in the main thread. `TaskPool.submitBlocking` runs one within a pool's limit.
 *
 * **Example** (Two executors in one program)
 *
 * ```ts
 * import { Executor, Job } from "@aio-task-pool/core"
 * import { Effect } from "effect"
 *
 * class Heavy extends Executor.Tag<Heavy>()("app/Heavy") {}
 *
 * const square = Job.define(import.meta, "square", (n: number) => n * n)
 *
 * const program = Effect.all([Executor.run(square, [2]), Heavy.run(square, [3])])
 *
 * await Effect.runPromise(Effect.provide(program, [Executor.layerInline, Heavy.layerInline])) // => [4, 9]
 * ```
 *
 * Guide: docs/guide/blocking-work.md
 *
 * @category services
 * @since 0.1.0
 */
export class Executor extends makeTag<Executor>()("@aio-task-pool/core/Executor") {
  /** Makes a tag for another executor: `class Heavy extends Executor.Tag<Heavy>()("app/Heavy") {}`. */
  static readonly Tag = makeTag
  /** Makes the service from a platform's driver. */
  static readonly make = make
}

// Spans, `map` and the checks of options are the same for all drivers.
function make(driver: ExecutorDriver): ExecutorService {
  return {
    run: <Args extends ReadonlyArray<any>, A>(
      job: Job<Args, A>,
      args?: ReadonlyArray<unknown>,
      options?: RunOptions
    ): Effect.Effect<Awaited<A>, ExecutorError> =>
      call(driver, "Executor.run", job, args, false, options) as Effect.Effect<any, ExecutorError>,
    map: (job, items, options) => map(driver, job, items, options) as Effect.Effect<any, ExecutorError>,
    stats: driver.stats
  }
}

// Lists the executor in the registry until the scope closes.
function makeInline(): Effect.Effect<ExecutorService, never, Scope> {
  return Effect.suspend(() => {
    const driver = inline.driver()
    const { stats, threads } = driver
    return Effect.as(
      entered((registry, clock) => registry.enterExecutor({ name: "executor", stats, threads }, clock)),
      make(driver)
    )
  })
}

function makeTag<Self>() {
  return <const Id extends string>(id: Id): ExecutorTag<Self, Id> => {
    const tag = Context.Service<Self, ExecutorService>()(id)
    return Object.assign(tag, {
      run: (job: any, args: any, options?: RunOptions) =>
        Effect.withFiber((fiber) => Context.getUnsafe(fiber.context, tag).run(job, args, options)),
      map: (job: any, items: any, options?: MapOptions) =>
        Effect.withFiber((fiber) => Context.getUnsafe(fiber.context, tag).map(job, items, options)),
      stats: Effect.flatMap(tag, (executor) => executor.stats),
      layerInline: Layer.effect(tag, makeInline())
    }) as any
  }
}

const call = (
  driver: ExecutorDriver,
  operation: string,
  job: Job<any, any>,
  args: ReadonlyArray<unknown> | undefined,
  each: boolean,
  options: RunOptions | undefined
): Effect.Effect<unknown, ExecutorError> =>
  Effect.withFiber((fiber) => {
    const given = Array.isArray(args) && typeof job?.url === "string" ? args : checkArgs(operation, job, args)
    const { onInterrupt = "terminate", transfer } = options === undefined ? {} : checkRunOptions(operation, options)
    const untraced = { job, args: given, each, transfer, onInterrupt, onTimes: undefined }
    if (!isObserved(fiber.context)) return driver.call(untraced)
    const attributes = { "job.name": job.name, "job.url": job.url, "job.items": each ? given.length : 1 }
    return Effect.useSpan("Executor.run", { attributes }, (span) => {
      const onTimes = (queueTime: number, runTime: number) => {
        span.attribute("job.queue_time", queueTime / 1000)
        span.attribute("job.run_time", runTime / 1000)
      }
      return driver.call({ ...untraced, onTimes })
    })
  })

// Checked here for callers without types, so that the error names the wrong argument and not a later consequence.
const checkArgs = (
  operation: string,
  job: Job<any, any>,
  args: ReadonlyArray<unknown> | undefined
): ReadonlyArray<unknown> => {
  if (typeof job?.url !== "string") throw wrong(operation, "job", "a Job", job)
  const parameters = job.fn?.length ?? 0
  if (args === undefined && parameters === 0) return noArgs
  throw wrong(operation, "args", `an array of the arguments of ${job.name}`, args)
}

const checkRunOptions = (operation: string, options: RunOptions): RunOptions => {
  const { onInterrupt, transfer } = checkKnown(operation, options, ["onInterrupt", "transfer"])
  if (transfer !== undefined && !Array.isArray(transfer)) throw wrong(operation, "transfer", "an array", transfer)
  if (onInterrupt !== undefined && onInterrupt !== "terminate" && onInterrupt !== "abandon") {
    throw wrong(operation, "onInterrupt", '"terminate" or "abandon"', onInterrupt)
  }
  return { onInterrupt, transfer }
}

const noArgs: ReadonlyArray<unknown> = []

const wrong = (operation: string, what: string, rule: string, value: unknown): TypeError => {
  const type = typeof value
  const got = value === null || value === undefined || type === "number" || type === "boolean" ? String(value) : type
  return new TypeError(`${operation}: ${what} must be ${rule}, got ${type === "string" ? `"${String(value)}"` : got}`)
}

// A span costs as much as the rest of a short call. One without a parent that goes to the default tracer is never
// shown, because that tracer exports nothing.
const isObserved = (context: Context.Context<never>): boolean =>
  (Context.getOrUndefined(context, Tracer.ParentSpan) !== undefined ||
    Context.get(context, Tracer.Tracer) !== Tracer.nativeTracer) &&
  Context.get(context, References.TracerEnabled)

const map = (
  driver: ExecutorDriver,
  job: Job<any, any>,
  items: Iterable<unknown>,
  options: MapOptions = {}
): Effect.Effect<Array<unknown>, ExecutorError> =>
  Effect.suspend(() => {
    checkKnown("Executor.map", options, ["chunk", "concurrency", "onInterrupt", "unordered"])
    const { chunk: chunkSize = 1, concurrency = driver.parallelism * 16, onInterrupt, unordered = false } = options
    const size = checkPositive("Executor.map", "chunk", chunkSize)
    const fibers = checkPositive("Executor.map", "concurrency", concurrency)
    checkBoolean("Executor.map", "unordered", unordered)
    if (typeof (items as any)?.[Symbol.iterator] !== "function") throw wrong("Executor.map", "items", "iterable", items)
    const iterator: Iterator<unknown> = items[Symbol.iterator]()
    const answers: Array<Array<unknown>> = []
    let pulled = 0
    // Whether to stop pulling: after the last item, and after a failure.
    let ended = false
    // Whether the iterator must not be closed, because it has ended or has thrown, as with `for`.
    let closed = false

    const pull = (chunk: Array<unknown>): void => {
      closed = true
      const next: IteratorResult<unknown> = iterator.next()
      if (typeof next !== "object" || next === null)
        throw wrong("Executor.map", "what next() returns", "an object", next)
      if (next.done) ended = true
      else {
        chunk.push(next.value)
        closed = false
      }
    }

    // Each fiber pulls its next chunk when it has the result of its last one, so no item is pulled that cannot be sent.
    const worker = Effect.gen(function* () {
      for (;;) {
        const chunk: Array<unknown> = []
        while (chunk.length < size && !ended) pull(chunk)
        if (chunk.length === 0) return
        const index = pulled++
        const answer = yield* size === 1
          ? Effect.map(send(chunk, false), (one) => [one])
          : (send(chunk, true) as Effect.Effect<Array<unknown>, ExecutorError>)
        if (unordered) answers.push(answer)
        else answers[index] = answer
      }
    })
    const runOptions = onInterrupt === undefined ? undefined : { onInterrupt }
    const send = (chunk: ReadonlyArray<unknown>, each: boolean) =>
      call(driver, "Executor.map", job, chunk, each, runOptions)

    const end = Effect.sync(() => {
      ended = true
    })
    // A defect of a finalizer would replace the job's failure, so the two are combined afterwards.
    let defect: Cause.Cause<never> | undefined
    const close = Effect.sync(() => {
      if (!closed) iterator.return?.()
    })
    return Effect.forEach(Array.from({ length: fibers }), () => Effect.onError(worker, () => end), {
      concurrency: "unbounded",
      discard: true
    }).pipe(
      Effect.onError((cause) =>
        Effect.catchCause(close, (thrown) => {
          if (!Cause.hasFails(cause)) return Effect.failCause(thrown)
          defect = thrown
          return Effect.void
        })
      ),
      Effect.catchCause((cause) => Effect.failCause(defect === undefined ? cause : Cause.combine(cause, defect))),
      Effect.map(() => answers.flat())
    )
  })
