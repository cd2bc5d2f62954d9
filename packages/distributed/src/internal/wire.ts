/**
 * What travels between processes: types only, all of it plain JSON.
 */
import type { Json } from "effect/Schema"
import type { TaskCancelledReason, TaskLostReason } from "../DistributedTaskPoolError.ts"

/** A task to add. All of it is checked. */
export interface NewTask {
  /** 1 to 256 UTF-16 units, any of them, lone surrogates too. */
  readonly id: string
  /** Whether the caller chose the ID. A random one needs no look for an existing task. */
  readonly isNamed: boolean
  /** Whether anybody may know the ID and attach to the task: it is named, or its caller gets a handle. */
  readonly isKnown: boolean
  /** The name of the task. */
  readonly name: string
  readonly data: WireData
  /** 0 to 2,097,150. */
  readonly weight: number
  /** Milliseconds. */
  readonly delay: number
  /** 1 or more. */
  readonly attempts: number
  readonly backoff: WireBackoff | undefined
}

export interface WireBackoff {
  readonly type: "fixed" | "exponential"
  /** Milliseconds: before each further attempt, or before the second one, doubling. */
  readonly delay: number
}

/** What travels with a task, besides its name. */
export interface WireData {
  /** The format: `wireFormat`. A worker that meets a higher one answers `Unknown`. */
  readonly f: number
  /** The encoded payload. */
  readonly p: Json
  /** The W3C traceparent of the submitter's span. */
  readonly t?: string
  /** The ID of the submitter. */
  readonly r: string
  /** The longest run time of an attempt, in milliseconds. */
  readonly l?: number
}

/**
 * The outcome of a task, as JSON.
 *
 * A worker's answers are `exit`, `cancelled` and `lost`. `closed` exists only in this process: the pool closed while a
 * caller waited.
 */
export type Answer =
  /** The handler's exit, encoded by the task's schemas. */
  | { readonly exit: Json }
  | { readonly cancelled: Exclude<TaskCancelledReason, "Closed">; readonly started: boolean }
  | { readonly lost: TaskLostReason; readonly attempts: number; readonly detail: string }
  | { readonly closed: true; readonly started: boolean }
