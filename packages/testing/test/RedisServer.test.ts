import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { createConnection } from "node:net"
import { isAvailable, RedisServer } from "../src/RedisServer.ts"

// Real time and real sockets: the server is another process.
const ask = (url: string, command: string) =>
  Effect.callback<string, Error>((resume) => {
    const socket = createConnection(Number(new URL(url).port), "127.0.0.1", () => socket.write(`${command}\r\n`))
    socket.once("data", (data) => {
      socket.destroy()
      resume(Effect.succeed(data.toString().trim()))
    })
    socket.once("error", (error) => resume(Effect.fail(error)))
  })

describe.skipIf(!isAvailable("the tests of RedisServer", { own: true }))("RedisServer", () => {
  it.live("keeps its data over a kill and a start when it is persistent", () =>
    Effect.gen(function* () {
      const server = yield* RedisServer
      assert.strictEqual(yield* ask(server.url, "SET a 1"), "+OK")
      yield* server.kill
      yield* Effect.flip(ask(server.url, "PING"))
      yield* server.start
      assert.strictEqual(yield* ask(server.url, "GET a"), "$1\r\n1")
    }).pipe(Effect.provide(RedisServer.layerPersistent))
  )

  it.live("ends with its scope", () =>
    Effect.gen(function* () {
      const url = yield* Effect.provide(
        Effect.map(RedisServer, (server) => server.url),
        RedisServer.layerVolatile
      )
      yield* Effect.flip(ask(url, "PING"))
    })
  )
})
