/**
 * The failures of an executor, one for each reaction of a caller.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import { describeThrown } from "./Job.ts"

/**
 * The failures of a job.
 *
 * @category errors
 * @since 0.1.0
 */
export type ExecutorError = TaskThrew | NotCloneable | TaskNotFound | WorkerCrashed | ExecutorClosed

/**
 * The job threw, or its promise was rejected: the function's own failure. Its thread continues.
 *
 * **Details**
 *
 * `cause` is the thrown value. An error arrives with its name, message, stack, code, own properties, chain of causes
 * and the errors of an `AggregateError`. An instance of a custom class arrives as an `Error` with the name of that
 * class.
 *
 * **Example** (Reading a job's own error)
 *
 * ```ts
 * import { Executor, Job } from "@aio-task-pool/core"
 * import { Effect } from "effect"
 *
 * const parse = Job.define(import.meta, "parse", (text: string): unknown => JSON.parse(text))
 *
 * const program = Executor.run(parse, ["{"]).pipe(
 *   Effect.catchTag("TaskThrew", (error) => Effect.succeed((error.cause as Error).name))
 * )
 *
 * await Effect.runPromise(Effect.provide(program, Executor.layerInline)) // => "SyntaxError"
 * ```
 *
 * @category errors
 * @since 0.1.0
 */
export class TaskThrew extends Data.TaggedError("TaskThrew")<{
  /** The job's name. */
  readonly task: string
  /** The value that it threw. */
  readonly cause: unknown
}> {
  constructor(fields: { readonly task: string; readonly cause: unknown }) {
    super(withMessage(fields, `the job threw ${describeThrown(fields.cause)}`))
  }
}

/**
 * An argument or the result cannot be copied to the other thread. The job's thread continues.
 *
 * **Details**
 *
 * `path` says which part, such as `[0].options.onEnd` for a part of the first argument. `reason` is the platform's
 * message. With `direction: "argument"` the job never started.
 *
 * @category errors
 * @since 0.1.0
 */
export class NotCloneable extends Data.TaggedError("NotCloneable")<{
  /** The job's name. */
  readonly task: string
  /** Whether an argument or the result cannot be copied. */
  readonly direction: "argument" | "result"
  /** The path to the part that cannot be copied; empty for the result itself. */
  readonly path: string
  /** Why it cannot be copied. */
  readonly reason: string
}> {
  constructor(fields: {
    readonly task: string
    readonly direction: "argument" | "result"
    readonly path: string
    readonly reason: string
  }) {
    const { direction, path, reason } = fields
    super(withMessage(fields, `${direction}${path === "" ? "" : ` ${path}`} cannot be copied: ${reason}`))
  }
}

/**
 * The job's module could not be loaded, has no function with the job's name, or makes an executor when a thread loads
 * it. The job never started.
 *
 * @category errors
 * @since 0.1.0
 */
export class TaskNotFound extends Data.TaggedError("TaskNotFound")<{
  /** The job's name. */
  readonly task: string
  /** The address of its module. */
  readonly url: string
  /** Why there is no function to run, as a sentence. */
  readonly reason: string
  /** The value that loading the module threw, if it did. */
  readonly cause?: unknown
}> {
  constructor(fields: {
    readonly task: string
    readonly url: string
    readonly reason: string
    readonly cause?: unknown
  }) {
    super(withMessage(fields, fields.reason))
  }
}

/**
 * The thread ended while it ran the job. The job may have had effects and is not run again.
 *
 * **Details**
 *
 * - `"exit"`: the thread exited, for example by `process.exit`.
 * - `"uncaught"`: an uncaught exception outside the job's own call, or an unhandled rejection.
 * - `"memory"`: the thread reached its heap limit.
 * - `"start"`: no thread could be started, several times in a row; this job never started.
 *
 * `started` says whether the job had begun.
 *
 * @category errors
 * @since 0.1.0
 */
export class WorkerCrashed extends Data.TaggedError("WorkerCrashed")<{
  /** The job's name. */
  readonly task: string
  /** What ended the thread. */
  readonly reason: "exit" | "uncaught" | "memory" | "start"
  /** Whether the job had begun, and may have had effects. */
  readonly started: boolean
  /** The thread's exit code, if it exited. */
  readonly exitCode: number | undefined
  /** The value that the thread threw, if it did. */
  readonly cause: unknown
}> {
  constructor(fields: {
    readonly task: string
    readonly reason: "exit" | "uncaught" | "memory" | "start"
    readonly started: boolean
    readonly exitCode: number | undefined
    readonly cause: unknown
  }) {
    const why = {
      exit: `its thread exited with code ${fields.exitCode}`,
      uncaught: `its thread was ended by ${describeThrown(fields.cause)}`,
      memory: "its thread reached its memory limit",
      start: `no thread could be started: ${describeThrown(fields.cause)}`
    }
    super(withMessage(fields, why[fields.reason]))
  }
}

/**
 * The executor's scope closed before the job had a result.
 *
 * @category errors
 * @since 0.1.0
 */
export class ExecutorClosed extends Data.TaggedError("ExecutorClosed")<{
  /** The job's name. */
  readonly task: string
  /** Whether the job had begun, and may have had effects. */
  readonly started: boolean
}> {
  constructor(fields: { readonly task: string; readonly started: boolean }) {
    super(withMessage(fields, `the executor closed ${fields.started ? "while the job ran" : "before the job started"}`))
  }
}

// An own property, because structured clone and other serializers of errors do not copy getters of a class.
const withMessage = <Fields extends { readonly task: string }>(fields: Fields, message: string): Fields => ({
  ...fields,
  message: `${fields.task}: ${message}`
})
