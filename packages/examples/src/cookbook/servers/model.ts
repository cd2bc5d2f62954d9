/** A local server with the limits and the moods of a language model's API. It counts requests and tokens. */
import { once } from "node:events"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { json } from "node:stream/consumers"

export interface ModelOptions {
  /** The most requests in any window. */
  readonly requests: number
  /** The most tokens in any window. */
  readonly tokens: number
  /** The length of a window, in milliseconds. */
  readonly window: number
}

export interface Model {
  readonly url: string
  readonly seen: { requests: number; answered: number; tokens: number; limited: number; hung: number }
}

/** Starts the server on a free port. It ends with the program. */
export const openModel = async ({ requests, tokens, window }: ModelOptions): Promise<Model> => {
  const seen = { requests: 0, answered: 0, tokens: 0, limited: 0, hung: 0 }
  const used: Array<{ readonly at: number; readonly tokens: number }> = []
  const tries = new Map<number, number>()

  const server = createServer(async (request, response) => {
    seen.requests++
    const { question } = (await json(request)) as { readonly question: string }
    const id = Number(/\d+/.exec(question))
    const attempt = (tries.get(id) ?? 0) + 1
    tries.set(id, attempt)
    // Question 13 is forbidden, the first try of 3 fails, and that of 7 is never answered.
    if (id === 13) return void response.writeHead(400).end()
    if (id === 3 && attempt === 1) return void response.writeHead(500).end()
    if (id === 7 && attempt === 1) return void seen.hung++

    const now = performance.now()
    while (used.length > 0 && used[0]!.at <= now - window) used.shift()
    const cost = 100 + ((id * 37) % 150)
    const sum = used.reduce((total, use) => total + use.tokens, cost)
    if (used.length >= requests || sum > tokens) {
      seen.limited++
      return void response.writeHead(429, { "retry-after": "1" }).end()
    }
    used.push({ at: now, tokens: cost })
    seen.tokens += cost
    setTimeout(() => {
      seen.answered++
      response.setHeader("content-type", "application/json")
      response.end(JSON.stringify({ text: `answer to ${question}`, tokens: cost }))
    }, 20)
  })
  // Neither the server nor a connection without a request keeps the program alive.
  server.on("connection", (socket) => socket.unref())
  server.unref()
  server.listen(0, "127.0.0.1")
  await once(server, "listening")
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/chat`, seen }
}
