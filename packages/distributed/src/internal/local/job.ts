/**
 * A task of the local engine, from its submission until its result expires.
 *
 * | state   | to      | when                                                                            |
 * | ------- | ------- | ------------------------------------------------------------------------------- |
 * | Delayed | Waiting | its `delay`, the time between attempts, or the time for a handler has passed    |
 * | Waiting | Running | the core's pool dispatches it, and a worker has a free place                    |
 * | Running | Delayed | the attempt failed and others are left, or no worker knows the task             |
 * | Running | Waiting | its worker closed and handed it back                                            |
 * | any     | Done    | it has an answer, for good                                                      |
 */
import type { TaskHandle } from "@aio-task-pool/core"
import type * as Cause from "effect/Cause"
import type * as Context from "effect/Context"
import type { Fiber } from "effect/Fiber"
import * as Queue from "effect/Queue"
import type { Json } from "effect/Schema"
import type { DistributedTaskState } from "../../DistributedTaskHandle.ts"
import type { Answer, NewTask } from "../wire.ts"
import { guarded } from "../callback.ts"
import { Signal } from "../signal.ts"
import type { LocalWorker } from "./workers.ts"

type Reader = Queue.Queue<unknown, Cause.Done>

export class Job {
  readonly task: Omit<NewTask, "data">
  /** The data as text, which is all that a worker would see of it. Empty when the task is done. */
  data: string
  weight: number
  state: DistributedTaskState = "Delayed"
  /** The number of the present or next attempt. */
  attempt = 1
  /** Whether an attempt has begun. */
  started = false
  /** When the task first met no worker that knows it, in milliseconds, since it last met one that does. */
  unknownSince: number | undefined = undefined
  /** Why the fiber was interrupted. */
  interruptedBy: "cancel" | "worker" | undefined = undefined
  /** The task in the core's pool while it waits. */
  handle: TaskHandle<unknown, unknown> | undefined = undefined
  /** How often the task was queued, by which a step knows whether the task was queued again meanwhile. */
  turn = 0
  /** The worker that runs the attempt. */
  worker: LocalWorker | undefined = undefined
  /** The fiber of the attempt. */
  fiber: Fiber<unknown, unknown> | undefined = undefined
  /** The fiber that ends the delay. */
  timer: Fiber<unknown, unknown> | undefined = undefined
  /** The answer as text. Each reader parses its own copy. */
  answer: string | undefined = undefined
  /** Whether the handler succeeded, for the statistics. */
  succeeded = false
  /** When the result expires, in milliseconds. */
  expiresAt = 0
  readonly settled = new Signal()
  private readonly readers = new Set<Reader>()

  constructor({ data, ...task }: NewTask) {
    this.task = task
    this.data = JSON.stringify(data)
    this.weight = task.weight
  }

  readAnswer(): Answer {
    return JSON.parse(this.answer!) as Answer
  }

  report(value: Json): void {
    if (this.readers.size === 0) return
    const text = JSON.stringify(value)
    for (const reader of this.readers) Queue.offerUnsafe(reader, JSON.parse(text))
  }

  subscribe(reader: Reader): void {
    if (this.state === "Done") Queue.endUnsafe(reader)
    else this.readers.add(reader)
  }

  unsubscribe(reader: Reader): void {
    this.readers.delete(reader)
  }

  endReaders(context: Context.Context<never>): void {
    const readers = Array.from(this.readers)
    this.readers.clear()
    for (const reader of readers) guarded(context, () => Queue.endUnsafe(reader))
  }
}
