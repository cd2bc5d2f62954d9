/**
 * Runs jobs on worker threads: the `Executor` for programs on Node.
 *
 * What user code throws, in arguments, jobs, results, errors and observers, fails the call it belongs to, or becomes one
 * log line. `internal/threads.ts` says where user code runs.
 *
 * @since 0.1.0
 */
import { checkAddress, Executor, type ExecutorService, type Job, PoolRegistry } from "@aio-task-pool/core"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import { format } from "effect/Formatter"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { availableParallelism } from "node:os"
import type { ResourceLimits } from "node:worker_threads"
import { checkKnown } from "./internal/options.ts"
import { SLOTS } from "./internal/protocol.ts"
import { Threads } from "./internal/threads.ts"

/**
 * Options of `layer` and `make`.
 *
 * @category options
 * @since 0.1.0
 */
export interface Options {
  /** The number of jobs that run at once, an integer from 1 to 1,024, default the available parallelism minus one. */
  readonly threads?: number | undefined
  /**
   * The number of additional threads that are ready to take over when one is terminated or crashes, an integer from 0
   * to 1,024, default 1. A thread takes about 50 milliseconds to start and 10 megabytes of memory.
   */
  readonly spare?: number | undefined
  /**
   * The most jobs posted to one thread at a time, an integer from 1 to 64, default 32. Only jobs that have taken
   * microseconds so far are posted behind others.
   */
  readonly maxDepth?: number | undefined
  /** Limits of each thread's heap and stack, as for `new Worker`, default Node's. */
  readonly resourceLimits?: ResourceLimits | undefined
  /** The number of jobs after which a new thread replaces a thread, an integer of 1 or more, default never. */
  readonly recycleAfter?: number | undefined
  /**
   * How long an idle thread spins while waiting for its next job before it goes to sleep, in milliseconds: a number
   * from 0 to 1, default 0.1, or 0 on a machine with a single processor. Waking a sleeping thread takes longer than a
   * small job. After several unsuccessful spins a thread spins less often; 0 disables spinning.
   */
  readonly spin?: number | undefined
  /**
   * Jobs or module addresses that every thread loads before it takes a job, default none. A module that fails to load
   * is logged once, and only its own jobs fail. If a module makes an executor, no thread starts and every job fails.
   */
  readonly preload?: ReadonlyArray<Job<any, any> | URL | string> | undefined
  /** The `process.env` of the threads, default a copy of this thread's. */
  readonly env?: Record<string, string | undefined> | undefined
  /** Node options for the threads, default those of this process. */
  readonly execArgv?: ReadonlyArray<string> | undefined
  /**
   * The name of the executor in the registry of pools and executors, default `"executor"`, and of its threads in
   * debuggers, profiles and log lines, default `"aio-task-pool"`.
   */
  readonly name?: string | undefined
  /**
   * The address of the module that runs on the threads, for programs that are bundled: `@aio-task-pool/node/worker` or
   * a copy of its file, which imports nothing but Node's modules. Default `worker.js` beside this module or its bundle.
   *
   * Guide: docs/guide/bundlers-and-platforms.md
   */
  readonly worker?: URL | undefined
}

/**
 * Provides an executor that runs jobs on its own worker threads.
 *
 * **Details**
 *
 * The threads start at once in the background. All users of the executor share them. They end with the layer's scope,
 * including hung ones, and jobs without a result then fail with `ExecutorClosed`. An idle executor does not keep the
 * process alive. Problems that belong to no job are logged: a thread that ends without a job, a module that cannot be
 * preloaded, threads that do not end. Throws `RangeError` if an option is out of range.
 *
 * A job may make its own executor, up to 4 executors deep. If a module makes one while a thread loads it, its jobs fail
 * with `TaskNotFound`.
 *
 * **Example** (Hashing off the main thread)
 *
 * ```ts
 * import { Executor, Job } from "@aio-task-pool/core"
 * import { NodeExecutor } from "@aio-task-pool/node"
 * import { Effect } from "effect"
 *
 * const crypto = Job.module<typeof import("node:crypto")>("node:crypto")
 *
 * const program = Effect.map(
 *   Executor.run(crypto.pbkdf2Sync, ["secret", "salt", 1000, 4, "sha256"]),
 *   (key) => key.byteLength
 * )
 *
 * await Effect.runPromise(Effect.provide(program, NodeExecutor.layer({ threads: 2 }))) // => 4
 * ```
 *
 * Guide: docs/guide/blocking-work.md
 *
 * @category layers
 * @since 0.1.0
 */
export function layer(options?: Options): Layer.Layer<Executor>
export function layer<Self>(options: Options & { readonly tag: Context.Key<Self, ExecutorService> }): Layer.Layer<Self>
export function layer(
  options: Options & { readonly tag?: Context.Key<any, ExecutorService> | undefined } = {}
): Layer.Layer<any> {
  const checked = check("NodeExecutor.layer", options)
  return Layer.effect(options.tag ?? Executor, scoped(checked))
}

/**
 * Makes an executor without a layer, whose threads end with the scope.
 *
 * **Details**
 *
 * Throws `RangeError` if an option is out of range.
 *
 * **Example** (Making an executor in a scope)
 *
 * ```ts
 * import { Job } from "@aio-task-pool/core"
 * import { NodeExecutor } from "@aio-task-pool/node"
 * import { Effect } from "effect"
 *
 * const zlib = Job.module<typeof import("node:zlib")>("node:zlib")
 *
 * const program = Effect.gen(function* () {
 *   const executor = yield* NodeExecutor.make({ threads: 1, spare: 0 })
 *   return yield* executor.run(zlib.crc32, ["hello"])
 * })
 *
 * await Effect.runPromise(Effect.scoped(program)) // => 907060870
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (options: Options = {}): Effect.Effect<ExecutorService, never, Scope.Scope> =>
  scoped(check("NodeExecutor.make", options))

type Checked = Omit<ConstructorParameters<typeof Threads>[0], "log"> & { readonly entryName: string }

const scoped = (options: Checked): Effect.Effect<ExecutorService, never, Scope.Scope> =>
  Effect.gen(function* () {
    const context = yield* Effect.context()
    const run = Effect.runForkWith(context)
    const log = (message: string, cause: unknown) =>
      void run(cause === undefined ? Effect.logWarning(message) : Effect.logWarning(message, cause))
    const threads = yield* Effect.acquireRelease(
      Effect.sync(() => new Threads({ ...options, log })),
      (threads) => Effect.promise(() => threads.close())
    )
    const stats = Effect.sync(() => threads.stats)
    const list = Effect.sync(() => threads.list)
    // Added after the threads, so removed before they end.
    yield* PoolRegistry.registerExecutor({ name: options.entryName, stats, threads: list })
    return Executor.make({
      parallelism: options.size,
      call: (call) =>
        Effect.callback((resume) => {
          const task = threads.start(call, resume)
          return Effect.sync(() => threads.cancel(task))
        }),
      stats,
      threads: list
    })
  })

const optionNames = [
  "threads",
  "spare",
  "maxDepth",
  "resourceLimits",
  "recycleAfter",
  "spin",
  "preload",
  "env",
  "execArgv",
  "name",
  "worker",
  "tag"
]

const check = (where: string, options: Options): Checked => {
  const integer = (option: string, value: number, least: number, most = Infinity): number => {
    if ((Number.isSafeInteger(value) || value === Infinity) && value >= least && value <= most) return value
    const rule = most === Infinity ? `an integer >= ${least}` : `an integer from ${least} to ${most}`
    throw new RangeError(`${where}: ${option} must be ${rule}, got ${format(value)}`)
  }
  checkKnown(where, options, optionNames)
  // Own properties only, because a property added to `Object.prototype` is not an option.
  const own: Options & { readonly tag?: unknown } = Object.assign(Object.create(null), options)
  const { env, execArgv, maxDepth = 32, name, preload = [], recycleAfter, resourceLimits, spare = 1, worker } = own
  const { spin = availableParallelism() > 1 ? 0.1 : 0, tag, threads = Math.max(1, availableParallelism() - 1) } = own
  if (!(typeof spin === "number" && spin >= 0 && spin <= 1)) {
    throw new RangeError(`${where}: spin must be a number from 0 to 1, got ${format(spin)}`)
  }
  if (name !== undefined && typeof name !== "string") {
    throw new TypeError(`${where}: name must be a string, got ${format(name)}`)
  }
  if (tag !== undefined && !Context.isKey(tag)) throw new TypeError(`${where}: tag must be a tag, got ${format(tag)}`)
  if (!Array.isArray(preload)) throw new TypeError(`${where}: preload must be an array, got ${format(preload)}`)
  return {
    size: integer("threads", threads, 1, 1024),
    spare: integer("spare", spare, 0, 1024),
    depth: integer("maxDepth", maxDepth, 1, SLOTS),
    spin,
    recycleAfter: recycleAfter === undefined ? Infinity : integer("recycleAfter", recycleAfter, 1),
    preload: preload.map((job: unknown) => checkAddress(where, "preload", addressOf(job))),
    entry: worker === undefined ? workerOf(where, import.meta.url) : new URL(checkAddress(where, "worker", worker)),
    name: name ?? "aio-task-pool",
    entryName: name ?? "executor",
    env,
    execArgv,
    resourceLimits
  }
}

/** Returns the address of a job, which is an object or a function, or what was given as an address. */
const addressOf = (job: unknown): string | { readonly href: string } | undefined =>
  Object(job) === job && !("href" in (job as object)) ? (job as Job<any, any>).url : (job as string | URL)

const workerOf = (where: string, url: string | undefined): URL => {
  // This repository runs from its sources. Bundlers must not resolve that file.
  if (url?.endsWith("/src/NodeExecutor.ts") === true) return new URL("worker.ts", url)
  if (url !== undefined) return new URL("./worker.js", import.meta.url)
  throw new TypeError(
    `${where}: worker must be given in a CommonJS bundle: pathToFileURL of a copy of @aio-task-pool/node/worker`
  )
}
