/**
 * An HTTP server whose capacity can be changed while it runs. It is a separate program, which prints its port on the
 * first line and ends when its standard input ends.
 *
 * `GET /work` takes 50 to 150 milliseconds. The server handles `capacity` such requests at once, queues the same
 * number again, and rejects the rest with 503 at once. `GET /capacity/10` sets the capacity.
 */
import { Random } from "@aio-task-pool/testing/random"
import { createServer, type ServerResponse } from "node:http"

const random = new Random(5)
const waiting: Array<ServerResponse> = []
let capacity = 1
let active = 0

const work = (response: ServerResponse): void => {
  active++
  setTimeout(
    () => {
      active--
      response.end("done")
      handleNext()
    },
    50 + 100 * random.next()
  )
}

const handleNext = (): void => {
  while (active < capacity && waiting.length > 0) work(waiting.shift()!)
}

const reject = (response: ServerResponse): void => void response.writeHead(503).end()

const server = createServer({ keepAliveTimeout: 60_000 }, ({ url = "" }, response) => {
  if (url.startsWith("/capacity/")) {
    capacity = Number(url.slice("/capacity/".length))
    handleNext()
    response.end()
  } else if (active < capacity) work(response)
  else if (waiting.length < capacity) waiting.push(response)
  else reject(response)
})

server.listen(0, "127.0.0.1", 4096, () => {
  const address = server.address()
  process.stdout.write(`${typeof address === "object" && address !== null ? address.port : 0}\n`)
})
process.stdin.resume().on("end", () => process.exit())
