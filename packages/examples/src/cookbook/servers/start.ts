/** A server on this machine that ends with its program. */
import { once } from "node:events"
import { createServer, type RequestListener } from "node:http"
import type { AddressInfo } from "node:net"

/** Starts a server on a free port, and returns its address. */
export const startServer = async (listener: RequestListener): Promise<string> => {
  const server = createServer(listener)
  // Neither the server nor a connection without a request keeps the program alive.
  server.on("connection", (socket) => socket.unref())
  server.unref()
  server.listen(0, "127.0.0.1")
  await once(server, "listening")
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}
