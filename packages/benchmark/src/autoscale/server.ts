/**
 * An HTTP server with a capacity that can be set while it works: a program of its own, which prints its port on the first
 * line and ends when its standard input does.
 *
 * `GET /work` takes one of `capacity` desks for 50 to 150 milliseconds. As many requests may wait for a desk, and who
 * comes on top is refused with 503 at once. `GET /capacity/10` sets the capacity.
 */
import { Random } from "@aio-task-pool/testing/random"
import { createServer, type ServerResponse } from "node:http"

const random = new Random(5)
const waiting: Array<ServerResponse> = []
let capacity = 1
let atWork = 0

const work = (response: ServerResponse): void => {
  atWork++
  setTimeout(
    () => {
      atWork--
      response.end("done")
      callNext()
    },
    50 + 100 * random.next()
  )
}

const callNext = (): void => {
  while (atWork < capacity && waiting.length > 0) work(waiting.shift()!)
}

const refuse = (response: ServerResponse): void => void response.writeHead(503).end()

const server = createServer({ keepAliveTimeout: 60_000 }, ({ url = "" }, response) => {
  if (url.startsWith("/capacity/")) {
    capacity = Number(url.slice("/capacity/".length))
    callNext()
    response.end()
  } else if (atWork < capacity) work(response)
  else if (waiting.length < capacity) waiting.push(response)
  else refuse(response)
})

server.listen(0, "127.0.0.1", 4096, () => {
  const address = server.address()
  process.stdout.write(`${typeof address === "object" && address !== null ? address.port : 0}\n`)
})
process.stdin.resume().on("end", () => process.exit())
