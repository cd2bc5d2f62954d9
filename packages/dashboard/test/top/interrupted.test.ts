/** What is left of a connection to a dashboard whose reader is interrupted in the middle. */
import { interruptedEverywhere } from "@aio-task-pool/testing/interrupting"
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { createServer, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"
import { setTimeout } from "node:timers/promises"
import { act, live, readOnce, type Target } from "../../src/top/connection.ts"
import { frame, hello } from "./frames.ts"

/** A server that begins its answers and does not end them. */
const makeServer = Effect.acquireRelease(
  Effect.promise(async () => {
    const open = new Set<ServerResponse>()
    const server = createServer((_request, response) => {
      open.add(response)
      response.on("close", () => open.delete(response))
      response.writeHead(200, { "content-type": "text/event-stream" })
      response.write(`event: hello\ndata: ${JSON.stringify(hello({}))}\n\n`)
      response.write(`data: ${JSON.stringify(frame([]))}\n\n`)
    })
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
    const target: Target = {
      address: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
      token: undefined
    }
    return { open, server, target }
  }),
  ({ server }) =>
    Effect.sync(() => {
      server.closeAllConnections()
      server.close()
    })
)

/** Polls in real time, because only the sockets know. */
const until = async (holds: () => boolean) => {
  for (let polls = 0; polls < 20_000 && !holds(); polls++) await setTimeout(5)
}

const readers: Readonly<Record<string, (target: Target) => Effect.Effect<unknown, unknown>>> = {
  "the stream of frames": (target) => Stream.runDrain(live(target, undefined)),
  "the one reading of all pools": (target) => readOnce(target),
  "an action": (target) => act(target, "db", "pause")
}

for (const [name, read] of Object.entries(readers)) {
  it.live(`${name} that is interrupted leaves no open answer`, () =>
    Effect.gen(function* () {
      const { open, target } = yield* makeServer
      // The reader takes what has come, and waits for more.
      let turns = 0
      const stuck = Effect.promise(() => until(() => open.size > 0 && ++turns > 10))
      const operations = yield* interruptedEverywhere(
        Effect.suspend(() => read(target)),
        (_exit, at) =>
          Effect.promise(async () => {
            // Sockets end in turns of the event loop. What is left stays.
            await until(() => open.size === 0)
            assert.strictEqual(open.size, 0, `interrupted before operation ${at}`)
          }),
        { stuck }
      )
      assert.isAbove(operations, 10)
    }).pipe(Effect.scoped)
  )
}
