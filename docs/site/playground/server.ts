/** A server that is simulated: it shares its capacity among the requests that it has. */
import * as Effect from "effect/Effect"

/** A request above what the server accepts. */
export class ServerOverloaded extends Error {
  readonly _tag = "ServerOverloaded"
}

export interface ServerOptions {
  /** How many requests the server handles at once without slowing down. */
  readonly serverCapacity: number
  /** The time for one request, in milliseconds. */
  readonly latency: number
  readonly overload: "slows" | "thrashes" | "rejects"
}

/** How many requests a server that rejects accepts, as a multiple of its capacity. */
const accepted = 1.5

/**
 * Returns the requests that a server with `active` requests finishes in the time of one. It grows with the number of
 * requests up to the capacity. Beyond that a server that thrashes loses throughput, because requests compete.
 */
export const workDone = ({ overload, serverCapacity }: ServerOptions, active: number): number => {
  if (active <= serverCapacity) return active
  return overload === "thrashes" ? serverCapacity / (1 + 0.4 * (active / serverCapacity - 1)) : serverCapacity
}

interface Request {
  /** The rest of its time on an idle server, in milliseconds. */
  left: number
  readonly end: () => void
}

export class Server {
  options: ServerOptions
  private requests: Array<Request> = []
  private time = 0

  constructor(options: ServerOptions) {
    this.options = options
  }

  get active(): number {
    return this.requests.length
  }

  /** Sends a request, and waits for the answer. */
  readonly request: Effect.Effect<void, ServerOverloaded> = Effect.callback((resume) => {
    const { latency, overload, serverCapacity } = this.options
    if (overload === "rejects" && this.active >= accepted * serverCapacity) {
      return resume(Effect.fail(new ServerOverloaded("503")))
    }
    const request: Request = { left: latency, end: () => resume(Effect.void) }
    this.requests.push(request)
    return Effect.sync(() => {
      this.requests = this.requests.filter((each) => each !== request)
    })
  })

  /** The share of a second that each request gets per second. */
  private get speed(): number {
    return this.active === 0 ? 1 : workDone(this.options, this.active) / this.active
  }

  /** Returns when the next request ends, if none arrives before; `Infinity` without requests. */
  nextEnd(now: number): number {
    if (this.active === 0) return Infinity
    return now + Math.min(...this.requests.map(({ left }) => left)) / this.speed
  }

  /** Works until a time. Returns functions that answer the requests that are over. */
  workUntil(time: number): ReadonlyArray<() => void> {
    const done = (time - this.time) * this.speed
    this.time = time
    for (const request of this.requests) request.left -= done
    const over = this.requests.filter(({ left }) => left <= 1e-6)
    this.requests = this.requests.filter(({ left }) => left > 1e-6)
    return over.map(({ end }) => end)
  }

  /** Forgets all requests. */
  clear(): void {
    this.requests = []
  }
}
