/** A real HTTP API on this machine, with the limits of such APIs. It counts the requests that it gets. */
import { startServer } from "./start.ts"

export interface ApiOptions {
  /** The most requests at once, default no limit. The server answers more with 503. */
  readonly limit?: number
  /** The most requests in any `window` of milliseconds, default no limit. More get 429 with `Retry-After`. */
  readonly rate?: { readonly limit: number; readonly window: number }
  /** Returns the answer, which is sent as JSON, default the path; a number is a status. */
  readonly answer?: (url: URL) => unknown
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
  /** Requests answered with 429. */
  limited: number
}

/** Starts the API. Each request takes five milliseconds. */
export const openApi = async ({ answer = (url) => url.pathname, limit = Infinity, rate }: ApiOptions): Promise<Api> => {
  const seen: Seen = { active: 0, mostActive: 0, served: 0, limited: 0 }
  const starts: Array<number> = []

  const origin = await startServer((request, response) => {
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
    if (seen.active >= limit) return void response.writeHead(503).end()
    seen.mostActive = Math.max(seen.mostActive, ++seen.active)
    setTimeout(() => {
      seen.active--
      const result = answer(new URL(request.url!, origin))
      if (typeof result === "number") return void response.writeHead(result).end()
      seen.served++
      response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(result))
    }, 5)
  })
  return { origin, seen }
}
