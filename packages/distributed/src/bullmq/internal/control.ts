/**
 * How the processes of a pool tell each other what changed: a stream that all of them read.
 *
 * Messages have a name and fields. `Cancel` asks the worker that runs a job to interrupt it. The others are the pool's
 * events. Redis's publish and subscribe would lose messages while a process reconnects.
 */
import type * as Cause from "effect/Cause"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import * as Stream from "effect/Stream"
import type { DistributedPoolEvent } from "../../DistributedTaskPoolService.ts"
import { guarded } from "../../internal/callback.ts"
import type { Broker } from "./broker.ts"
import type { Connections } from "./connections.ts"
import { whenSettled } from "./promises.ts"
import { keptMessages } from "./scripts.ts"
import { type Fields, StreamReader } from "./streamReader.ts"

type Reader = Queue.Enqueue<DistributedPoolEvent, Cause.Done>

const bufferSize = 256

export class Control {
  private readonly broker: Broker
  private readonly connections: Connections
  /** Sliding queues, so that a slow reader loses the oldest events. */
  private readonly readers = new Map<Reader, Context.Context<never>>()
  private readonly cancelers = new Set<(jobId: string) => void>()
  private reader: StreamReader | undefined
  private isStarting = false
  private isClosed = false
  private isEnded = false

  constructor(broker: Broker, connections: Connections) {
    this.broker = broker
    this.connections = connections
  }

  /** Reads messages from now on, when the broker is up for the first time. */
  start(): void {
    if (this.isStarting) return
    this.isStarting = true
    const { client, keys } = this.broker
    whenSettled(
      client.xrevrange(keys.control, "+", "-", "COUNT", 1),
      (last) => {
        // A reader that begins after the end would read its cut connection again and again.
        if (this.isEnded) return
        const start = last[0]?.[0] ?? "0-0"
        this.reader = new StreamReader(this.connections.connect(), keys.control, start, (fields) =>
          this.onMessage(fields)
        )
      },
      () => {
        this.isStarting = false
      }
    )
  }

  private onMessage(fields: Fields): void {
    const message = new Map<string, string>()
    for (let i = 0; i + 1 < fields.length; i += 2) message.set(fields[i]!, fields[i + 1]!)
    if (message.get("event") === "Cancel") {
      const id = message.get("id")
      if (id !== undefined) for (const cancel of this.cancelers) cancel(id)
      return
    }
    const event = eventOf(message)
    if (event === undefined) return
    // The record has what this event is about.
    if (event._tag !== "Cancelled" && event._tag !== "TaskLost") this.broker.poll()
    this.emit(event)
  }

  emit(event: DistributedPoolEvent): void {
    for (const reader of this.readers.keys()) Queue.offerUnsafe(reader, event)
  }

  /** Sends a message, if the broker is up. Nobody waits for it. */
  tell(event: string, fields: Readonly<Record<string, string | number | boolean>>): void {
    const { client, isUp, keys } = this.broker
    if (!isUp) return
    const flat = Object.entries(fields).flatMap(([name, value]) => [name, String(value)])
    whenSettled(client.xadd(keys.control, "MAXLEN", "~", keptMessages, "*", "event", event, ...flat), () => {})
  }

  /** Wakes an idle worker of any process. */
  wake(): void {
    const { client, isUp, keys } = this.broker
    if (isUp) whenSettled(client.zadd(keys.marker, 0, "0"), () => {})
  }

  onCancel(cancel: (jobId: string) => void): void {
    this.cancelers.add(cancel)
  }

  offCancel(cancel: (jobId: string) => void): void {
    this.cancelers.delete(cancel)
  }

  readonly events: Stream.Stream<DistributedPoolEvent> = Stream.callback<DistributedPoolEvent>(
    (queue) =>
      Effect.acquireRelease(
        Effect.withFiber(({ context }) =>
          Effect.sync(() => {
            if (this.isClosed) Queue.endUnsafe(queue)
            else this.readers.set(queue, context)
          })
        ),
        () => Effect.sync(() => this.readers.delete(queue))
      ),
    { bufferSize, strategy: "sliding" }
  )

  /** Ends the streams of events. Workers of this process still hear of cancels. */
  endEvents(): void {
    this.isClosed = true
    const readers = Array.from(this.readers)
    this.readers.clear()
    for (const [reader, context] of readers) guarded(context, () => Queue.endUnsafe(reader))
  }

  end(): void {
    this.isEnded = true
    this.reader?.end()
  }
}

/** Returns the event of a message, or none: a newer version may have others. */
const eventOf = (message: ReadonlyMap<string, string>): DistributedPoolEvent | undefined => {
  const text = (name: string): string => message.get(name) ?? ""
  const tag = text("event")
  switch (tag) {
    case "Scaled":
      return { _tag: tag, from: Number(text("from")), to: Number(text("to")), why: text("why") }
    case "Held":
    case "Released":
    case "Paused":
    case "Resumed":
      return { _tag: tag }
    case "Cancelled": {
      const reason = text("reason") === "TimedOut" ? "TimedOut" : "Cancelled"
      return { _tag: tag, id: text("id"), reason, started: text("started") === "true" }
    }
    case "TaskLost": {
      const reason = lostReasons.find((each) => each === text("reason"))
      return reason === undefined ? undefined : { _tag: tag, id: text("id"), reason }
    }
    case "WorkerJoined":
    case "WorkerLeft":
      return { _tag: tag, worker: text("worker") }
    default:
      return undefined
  }
}

const lostReasons = ["Poisoned", "Vanished", "UnknownTask", "Undecodable"] as const
