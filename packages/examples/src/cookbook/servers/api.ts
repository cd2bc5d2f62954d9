/** A real HTTP API on this machine, with the limits of such APIs. It counts the requests that it gets. */
import { once } from "node:events"
import { createServer, type IncomingMessage } from "node:http"
import type { AddressInfo } from "node:net"
import { json } from "node:stream/consumers"

export interface ApiOptions {
  /** The most requests at once, default no limit. The server answers more with 503. */
  readonly limit?: number
  /** The most requests in any `window` of milliseconds, default no limit. More get 429 with `Retry-After`. */
  readonly rate?: { readonly limit: number; readonly window: number }
  /** How long a request takes, in milliseconds, default 5. */
  readonly cost?: number
  /** Returns the answer, which is sent as JSON; a number is a status. */
  readonly answer?: (url: URL, body: unknown) => unknown
}

export interface Api {
  readonly origin: string
  /** What the server has seen. */
  readonly seen: Seen
}

export interface Seen {
  active: number
  mostActive: number
  served: number
  /** Requests answered with 503. */
  refused: number
  /** Requests answered with 429. */
  limited: number
}

/** Starts the API on a free port. It ends with the program. */
export const openApi = async ({
  answer = (url) => url.pathname,
  cost = 5,
  limit = Infinity,
  rate
}: ApiOptions = {}): Promise<Api> => {
  const seen: Seen = { active: 0, mostActive: 0, served: 0, refused: 0, limited: 0 }
  const starts: Array<number> = []

  const server = createServer(async (request, response) => {
    const now = performance.now()
    if (rate !== undefined) {
      while (starts.length > 0 && starts[0]! <= now - rate.window) starts.shift()
      if (starts.length >= rate.limit) {
        seen.limited++
        const seconds = Math.ceil((starts[0]! + rate.window - now) / 1000)
        return void response.writeHead(429, { "retry-after": String(seconds) }).end()
      }
      starts.push(now)
    }
    if (seen.active >= limit) {
      seen.refused++
      return void response.writeHead(503).end()
    }
    seen.mostActive = Math.max(seen.mostActive, ++seen.active)
    const body = await bodyOf(request)
    setTimeout(() => {
      seen.active--
      const result = answer(new URL(request.url!, "http://localhost"), body)
      if (typeof result === "number") return void response.writeHead(result).end()
      seen.served++
      response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(result))
    }, cost)
  })
  // Neither the server nor a connection without a request keeps the program alive.
  server.on("connection", (socket) => socket.unref())
  server.unref()
  server.listen(0, "127.0.0.1")
  await once(server, "listening")
  return { origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, seen }
}

const bodyOf = (request: IncomingMessage): Promise<unknown> =>
  request.method === "POST" ? json(request) : Promise.resolve(undefined)
