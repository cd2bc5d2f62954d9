/** A local server with the limits and the moods of a language model's API. It counts requests and tokens. */
import { json } from "node:stream/consumers"
import { startServer } from "./start.ts"

export interface ModelOptions {
  /** The most requests in any window. */
  readonly requests: number
  /** The most tokens in any window. */
  readonly tokens: number
  /** The length of a window, in milliseconds. */
  readonly window: number
}

/** Starts the server, and returns the address for questions. */
export const openModel = async ({ requests, tokens, window }: ModelOptions): Promise<{ readonly url: string }> => {
  const used: Array<{ readonly at: number; readonly tokens: number }> = []
  const tries = new Map<number, number>()

  const origin = await startServer(async (request, response) => {
    const { question } = (await json(request)) as { readonly question: string }
    const id = Number(/\d+/.exec(question))
    const attempt = (tries.get(id) ?? 0) + 1
    tries.set(id, attempt)
    // Question 13 is forbidden, the first try of 3 fails, and that of 7 is never answered.
    if (id === 13) return void response.writeHead(400).end()
    if (id === 3 && attempt === 1) return void response.writeHead(500).end()
    if (id === 7 && attempt === 1) return

    const now = performance.now()
    while (used.length > 0 && used[0]!.at <= now - window) used.shift()
    const cost = 100 + ((id * 37) % 150)
    const sum = used.reduce((total, use) => total + use.tokens, cost)
    if (used.length >= requests || sum > tokens) {
      return void response.writeHead(429, { "retry-after": "1" }).end()
    }
    used.push({ at: now, tokens: cost })
    setTimeout(() => {
      response.setHeader("content-type", "application/json")
      response.end(JSON.stringify({ text: `answer to ${question}`, tokens: cost }))
    }, 20)
  })
  return { url: `${origin}/chat` }
}
