/**
 * Runs jobs on Node's worker threads: the `Executor` of programs that run on Node.
 *
 * What code of the program throws, in arguments, jobs, results, errors and observers, fails the call it belongs to, or is
 * one line of the log. `internal/threads.ts` says where such code runs.
 *
 * @since 0.1.0
 */
import { checkAddress, Executor, type ExecutorService, type Job } from "@aio-task-pool/core"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { availableParallelism } from "node:os"
import type { ResourceLimits } from "node:worker_threads"
import { SLOTS } from "./internal/protocol.ts"
import { Threads } from "./internal/threads.ts"

/**
 * Options of `layer` and `make`.
 *
 * @category options
 * @since 0.1.0
 */
export interface Options {
  /** How many jobs run at once, an integer of 1 or more, default the machine's available parallelism minus one. */
  readonly threads?: number | undefined
  /**
   * How many more threads are kept ready to take over at once when one is ended or crashes, an integer of 0 or more,
   * default 1. A thread takes about 50 milliseconds to start and 10 megabytes.
   */
  readonly spare?: number | undefined
  /**
   * The most jobs that are posted to one thread at a time, an integer from 1 to 64, default 32. Only jobs that were seen
   * to take microseconds are posted behind others.
   */
  readonly maxDepth?: number | undefined
  /** Limits of each thread's heap and stack, as for `new Worker`. */
  readonly resourceLimits?: ResourceLimits | undefined
  /** After how many jobs a thread is replaced by a new one, an integer of 1 or more, default never. */
  readonly recycleAfter?: number | undefined
  /**
   * How long, in milliseconds, a thread that has nothing to do looks out for its next job before it sleeps: a number from
   * 0 to 1, default 0.1, and 0 on a machine with a single processor. To wake a sleeping thread takes longer than a small
   * job. A thread that looks out in vain soon does so only now and then; with 0 it never does.
   */
  readonly spin?: number | undefined
  /**
   * Jobs or module addresses that every thread loads before it takes a job, default none. One that does not load is
   * logged once, and fails its own jobs. With one that makes an executor no thread starts, and every job fails.
   */
  readonly preload?: ReadonlyArray<Job<any, any> | URL | string> | undefined
  /** The threads' `process.env`, default a copy of this one's. */
  readonly env?: Record<string, string | undefined> | undefined
  /** Node's own options for the threads, default those of this process. */
  readonly execArgv?: ReadonlyArray<string> | undefined
  /** What the threads are called in debuggers and profiles, default `"aio-task-pool"`. */
  readonly name?: string | undefined
  /**
   * The address of the module that runs on the threads, for programs that are bundled: `@aio-task-pool/node/worker` or a
   * copy of its file, which imports nothing but Node's modules. Default `worker.js` beside this module or its bundle.
   */
  readonly worker?: URL | undefined
}

/**
 * Provides an executor with worker threads of its own.
 *
 * **Details**
 *
 * The threads start at once and in the background. They are shared by everything that uses the executor, and end with
 * the layer's scope, hung ones included; jobs without an answer then fail with `ExecutorClosed`. An executor without
 * work does not keep the process alive. What no caller is told goes to the log: a thread that ends without a job, a
 * module that cannot be preloaded, threads that do not end. Throws `RangeError` when an option is out of its range.
 *
 * A job may make an executor of its own, up to 4 executors deep. A module that a thread loads for its jobs must not: its
 * jobs fail with `TaskNotFound`.
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
 * Makes an executor whose threads live as long as the scope, without a layer.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (options: Options = {}): Effect.Effect<ExecutorService, never, Scope.Scope> =>
  scoped(check("NodeExecutor.make", options))

type Checked = Omit<ConstructorParameters<typeof Threads>[0], "log">

const scoped = (options: Checked): Effect.Effect<ExecutorService, never, Scope.Scope> =>
  Effect.map(
    Effect.acquireRelease(
      Effect.contextWith((context: Context.Context<never>) =>
        Effect.sync(() => {
          const run = Effect.runForkWith(context)
          const log = (message: string, cause: unknown) =>
            void run(cause === undefined ? Effect.logWarning(message) : Effect.logWarning(message, cause))
          return new Threads({ ...options, log })
        })
      ),
      (threads) => Effect.promise(() => threads.close())
    ),
    (threads) =>
      Executor.make({
        parallelism: options.size,
        call: (call) =>
          Effect.callback((resume) => {
            const task = threads.start(call, resume)
            return Effect.sync(() => threads.cancel(task))
          }),
        stats: Effect.sync(() => threads.stats)
      })
  )

const check = (where: string, options: Options): Checked => {
  const integer = (option: string, value: number, least: number, most = Infinity): number => {
    if ((Number.isSafeInteger(value) || value === Infinity) && value >= least && value <= most) return value
    const rule = most === Infinity ? `an integer >= ${least}` : `an integer from ${least} to ${most}`
    throw new RangeError(`${where}: ${option} must be ${rule}, got ${value}`)
  }
  // Its own properties only: what somebody added to all objects is no option.
  const own: Options = Object.assign(Object.create(null), options)
  const { env, execArgv, name, preload = [], recycleAfter, resourceLimits, worker } = own
  const spin = own.spin ?? (availableParallelism() > 1 ? 0.1 : 0)
  if (!(spin >= 0 && spin <= 1)) throw new RangeError(`${where}: spin must be a number from 0 to 1, got ${spin}`)
  return {
    size: integer("threads", own.threads ?? Math.max(1, availableParallelism() - 1), 1, 1024),
    spare: integer("spare", own.spare ?? 1, 0, 1024),
    depth: integer("maxDepth", own.maxDepth ?? 32, 1, SLOTS),
    spin,
    recycleAfter: recycleAfter === undefined ? Infinity : integer("recycleAfter", recycleAfter, 1),
    preload: preload.map((job) =>
      checkAddress(where, "preload", typeof job === "string" || "href" in job ? job : job.url)
    ),
    entry: worker === undefined ? workerOf(where, import.meta.url) : new URL(checkAddress(where, "worker", worker)),
    name: name ?? "aio-task-pool",
    env,
    execArgv,
    resourceLimits
  }
}

const workerOf = (where: string, url: string | undefined): URL => {
  // The repository runs its sources; bundlers must not look for that file.
  if (url?.endsWith("/src/NodeExecutor.ts") === true) return new URL("worker.ts", url)
  if (url !== undefined) return new URL("./worker.js", import.meta.url)
  throw new TypeError(
    `${where}: worker must be given in a CommonJS bundle: pathToFileURL of a copy of @aio-task-pool/node/worker`
  )
}
