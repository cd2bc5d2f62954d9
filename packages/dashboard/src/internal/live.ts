/**
 * The open streams. A frame is built once for all clients that look at the same pool. A client that reads too slowly
 * misses frames: its queue keeps the two newest ones.
 */
import type * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import * as Queue from "effect/Queue"
import * as Stream from "effect/Stream"

/** The most streams at once. */
const most = 16

/** How long pages may take to read the end of their streams, in milliseconds. */
export const grace = 200

interface Client {
  readonly pool: string | undefined
  /** Writes the stream. */
  readonly fiber: Fiber.Fiber<unknown, unknown>
  readonly queue: Queue.Queue<Uint8Array, Cause.Done>
}

const encoder = new TextEncoder()

/** Returns a server-sent event. JSON contains no line break, so the data is one line. */
const event = (fields: string, json: string): Uint8Array => encoder.encode(`${fields}data: ${json}\n\n`)

export class Live {
  private readonly clients = new Set<Client>()
  private readonly watched = Latch.makeUnsafe()
  private ended = false
  private id = 0

  /** Waits until a client is there. */
  readonly awaitClient = this.watched.await

  /**
   * Opens a stream that begins with the hello and a frame, until the scope closes. Returns `undefined` if there are too
   * many streams.
   */
  readonly open = (pool: string | undefined, hello: string, frame: string) =>
    Effect.gen({ self: this }, function* () {
      // Not in the queue, where newer frames could replace it.
      const first = [event("retry: 1000\nevent: hello\n", hello), event(`id: ${this.id}\n`, frame)]
      const queue = yield* Queue.sliding<Uint8Array, Cause.Done>(2)
      const client = { pool, queue, fiber: yield* Effect.withFiber(Effect.succeed) }
      const isIn = yield* Effect.acquireRelease(
        Effect.sync(() => this.enter(client)),
        () => Effect.sync(() => this.leave(client))
      )
      return isIn ? Stream.concat(Stream.fromIterable(first), Stream.fromQueue(queue)) : undefined
    })

  private enter(client: Client): boolean {
    if (this.ended || this.clients.size >= most) return false
    this.clients.add(client)
    this.watched.openUnsafe()
    return true
  }

  private leave(client: Client): void {
    if (this.clients.delete(client) && this.clients.size === 0) this.watched.closeUnsafe()
  }

  /** The pools that clients look at; `undefined` for those that look at all. */
  pools(): ReadonlySet<string | undefined> {
    return new Set(Array.from(this.clients, ({ pool }) => pool))
  }

  /** Sends each client the frame of its pool. */
  send(frames: ReadonlyMap<string | undefined, string>): void {
    this.id++
    const events = new Map(Array.from(frames, ([pool, frame]) => [pool, event(`id: ${this.id}\n`, frame)]))
    for (const { pool, queue } of this.clients) {
      // One that has come while the frames were built begins with a frame of its own.
      const event = events.get(pool)
      if (event !== undefined) Queue.offerUnsafe(queue, event)
    }
  }

  /**
   * Ends all streams, so that the server need not wait for them. Later ones are refused. Interrupting the writer of a page
   * that does not read cuts its connection.
   */
  readonly end = Effect.suspend(() => {
    this.ended = true
    for (const { queue } of this.clients) Queue.endUnsafe(queue)
    const fibers = Array.from(this.clients, ({ fiber }) => fiber)
    return Effect.timeoutOrElse(Effect.asVoid(Fiber.awaitAll(fibers)), {
      duration: grace,
      orElse: () => Effect.sync(() => fibers.forEach((fiber) => fiber.interruptUnsafe()))
    })
  })
}
