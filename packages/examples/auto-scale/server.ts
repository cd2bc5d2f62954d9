/** A server on this machine with a limit that changes, as if other clients used it too. */
import { once } from "node:events"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"

/** Milliseconds that a request takes once the server has begun with it. */
const cost = 100

export interface ServerLoad {
  readonly origin: string
  /** The most requests at work at once. Twice as many may wait for them, the others are rejected with 503. */
  limit: number
  served: number
  rejected: number
}

/** Starts the server. It ends with its program. */
export const openServer = async (limit: number): Promise<ServerLoad> => {
  const waiting: Array<() => void> = []
  let active = 0

  const begin = (): void => {
    while (active < load.limit && waiting.length > 0) {
      active++
      setTimeout(waiting.shift()!, cost)
    }
  }

  const server = createServer((request, response) => {
    if (waiting.length >= 2 * load.limit) {
      load.rejected++
      return void response.writeHead(503).end()
    }
    waiting.push(() => {
      active--
      load.served++
      response.end(`page ${request.url}`)
      begin()
    })
    begin()
  })
  // Neither the server nor a connection without a request keeps the program alive.
  server.on("connection", (socket) => socket.unref())
  server.unref()
  server.listen(0, "127.0.0.1")
  await once(server, "listening")
  const load = {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    limit,
    served: 0,
    rejected: 0
  }
  return load
}
