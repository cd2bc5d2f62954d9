/**
 * Tasks that can run in another process: a name and schemas, declared once and imported by submitters and workers.
 *
 * **Example** (Declaring a task and its handler)
 *
 * ```ts
 * import { DistributedTask } from "@aio-task-pool/distributed"
 * import { Effect, Schema } from "effect"
 *
 * class TooBig extends Schema.TaggedError<TooBig>()("TooBig", { width: Schema.Int }) {}
 *
 * const Resize = DistributedTask.make("resize", {
 *   payload: Schema.Struct({ url: Schema.String, width: Schema.Int }),
 *   success: Schema.String,
 *   error: TooBig
 * })
 *
 * const handler = Resize.handle(({ url, width }) =>
 *   width > 4000 ? Effect.fail(new TooBig({ width })) : Effect.succeed(`${url} at ${width}`)
 * )
 *
 * console.log(handler.task.name) // => "resize"
 * ```
 *
 * @since 0.1.0
 */
import type { Effect } from "effect/Effect"
import * as Schema from "effect/Schema"
import { checkFunction, checkKnown, checkSchema, checkTaskName } from "./internal/arguments.ts"

/**
 * A task that can run in another process.
 *
 * **Details**
 *
 * A submitter encodes the payload with its schema, and a worker decodes it with its own. The result travels back the same
 * way. Adding optional fields to a schema is safe. Any other change needs a new name, such as `"resize@2"`.
 *
 * Guide: docs/guide/more-than-one-machine.md
 *
 * @category models
 * @since 0.1.0
 */
export interface DistributedTask<in out Payload, in out A, in out E = never, in out Progress = Schema.Json> {
  /** The name by which a worker finds the handler: 1 to 128 characters, no control characters. */
  readonly name: string
  /** The schema of the payload. */
  readonly payload: Schema.Codec<Payload, any>
  /** The schema of the result. */
  readonly success: Schema.Codec<A, any>
  /** The schema of the failure. */
  readonly error: Schema.Codec<E, any>
  /** The schema of the values that a handler reports while it runs. */
  readonly progress: Schema.Codec<Progress, any>
  /**
   * Makes the handler that a worker runs for each task of this name.
   *
   * **Details**
   *
   * The handler runs with the services of its worker's layer, and in a scope of its own that closes with the task. It is interrupted when the task is cancelled, when its
   * `timeout` has passed, when its worker shuts down, or when its worker has lost the task to another one.
   *
   * **Gotchas**
   *
   * A task may run more than once, for example after its worker was killed. Make handlers idempotent.
   */
  readonly handle: <R = never>(
    run: (payload: Payload, context: TaskContext<Progress>) => Effect<A, E, R>
  ) => TaskHandler<R>
}

/**
 * A task of any types.
 *
 * @category models
 * @since 0.1.0
 */
export interface Any {
  /** The name by which a worker finds the handler. */
  readonly name: string
  /** The schema of the payload. */
  readonly payload: Schema.Codec<any, any>
  /** The schema of the result. */
  readonly success: Schema.Codec<any, any>
  /** The schema of the failure. */
  readonly error: Schema.Codec<any, any>
  /** The schema of the values that a handler reports while it runs. */
  readonly progress: Schema.Codec<any, any>
}

/**
 * What a handler knows about its task.
 *
 * @category models
 * @since 0.1.0
 */
export interface TaskContext<in Progress = Schema.Json> {
  /** The ID of the task. */
  readonly id: string
  /** The number of this attempt, from 1. */
  readonly attempt: number
  /** How often a worker lost this task before, because its process died or its lease ended. */
  readonly stalls: number
  /**
   * Reports a value to whoever reads the `progress` of the task's handle.
   *
   * **Details**
   *
   * Dies if the value does not fit the task's `progress` schema or is above the size limit. A value that the broker does
   * not receive is dropped. Waits at most a second for a broker that does not answer.
   */
  readonly progress: (value: Progress) => Effect<void>
}

/**
 * A task together with the function that runs it in a worker.
 *
 * @category models
 * @since 0.1.0
 */
export interface TaskHandler<out R = never> {
  /** The task that the function runs. */
  readonly task: Any
  /** Runs the task in the worker. */
  readonly run: (payload: any, context: TaskContext<any>) => Effect<any, any, R>
}

/**
 * The schemas of a task. They need no services.
 *
 * @category options
 * @since 0.1.0
 */
export interface TaskSchemas<Payload, A, E, Progress> {
  /** The schema of the payload, default `Schema.Void`. */
  readonly payload?: Schema.Codec<Payload, any> | undefined
  /** The schema of the result, default `Schema.Void`. */
  readonly success?: Schema.Codec<A, any> | undefined
  /** The schema of the failure, default `Schema.Never`. */
  readonly error?: Schema.Codec<E, any> | undefined
  /** The schema of the values that a handler reports while it runs, default `Schema.Json`. */
  readonly progress?: Schema.Codec<Progress, any> | undefined
}

/**
 * Declares a task.
 *
 * **Details**
 *
 * Throws `RangeError` if the name is not valid, and `TypeError` if a schema is none.
 *
 * Guide: docs/guide/more-than-one-machine.md
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = <Payload = void, A = void, E = never, Progress = Schema.Json>(
  name: string,
  schemas: TaskSchemas<Payload, A, E, Progress> = {}
): DistributedTask<Payload, A, E, Progress> => {
  const where = "DistributedTask.make"
  checkTaskName(where, name)
  const given = checkKnown(where, schemas, ["payload", "success", "error", "progress"])
  const schemaOf = (what: keyof TaskSchemas<any, any, any, any>, fallback: Schema.Codec<any, any>) => {
    const schema = given[what]
    return schema === undefined ? fallback : checkSchema(where, what, schema)
  }
  const task: DistributedTask<Payload, A, E, Progress> = {
    name,
    payload: schemaOf("payload", Schema.Void),
    success: schemaOf("success", Schema.Void),
    error: schemaOf("error", Schema.Never),
    progress: schemaOf("progress", Schema.Json),
    handle: (run) => ({ task, run: checkFunction(`${name}.handle`, "run", run) })
  }
  return task
}
