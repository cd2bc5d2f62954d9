import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import { createServer, type RequestListener } from "node:http"
import type { AddressInfo } from "node:net"
import { setImmediate as nextTurn } from "node:timers/promises"
import { act, live, type Message, readOnce, type Target, TopError } from "../../src/top/connection.ts"
import { frame, hello } from "./frames.ts"

/** A server of another program. */
const serving = (answer: RequestListener) =>
  Effect.map(
    Effect.acquireRelease(
      Effect.promise(async () => {
        const server = createServer(answer)
        await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
        return server
      }),
      (server) =>
        Effect.sync(() => {
          server.closeAllConnections()
          server.close()
        })
    ),
    (server): Target => ({
      address: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
      token: undefined
    })
  )

// Sockets need turns of the event loop, the clock is the test's.
const until = (holds: () => boolean) =>
  Effect.promise(async () => {
    while (!holds()) await nextTurn()
  })

const lost = (exit: Exit.Exit<unknown, unknown>): string => {
  assert.isTrue(Exit.isFailure(exit))
  const [reason] = (exit as Exit.Failure<unknown, unknown>).cause.reasons
  const { error } = reason as unknown as { readonly error: unknown }
  assert.instanceOf(error, TopError)
  return error.message
}

for (const [hz, seconds] of [
  [4, 10],
  [0.1, 30]
] as const) {
  it.effect(`a stream of ${hz} frames a second is lost when nothing has come for ${seconds} seconds`, () =>
    Effect.gen(function* () {
      let send = (_data: object): void => {}
      const target = yield* serving((_request, response) => {
        response.writeHead(200, { "content-type": "text/event-stream" })
        response.write(`event: hello\ndata: ${JSON.stringify(hello({ hz }))}\n\n`)
        send = (data) => void response.write(`data: ${JSON.stringify(data)}\n\n`)
        send(frame([]))
      })
      const seen: Array<Message["_tag"]> = []
      const stream = Stream.runForEach(live(target, undefined), ({ _tag }) => Effect.sync(() => seen.push(_tag)))
      const fiber = yield* Effect.forkChild(stream, { startImmediately: true })
      yield* until(() => seen.length === 2)
      yield* TestClock.adjust((seconds - 1) * 1000)
      send(frame([]))
      yield* until(() => seen.length === 3)
      yield* TestClock.adjust((seconds - 1) * 1000)
      assert.isUndefined(fiber.pollUnsafe())
      yield* TestClock.adjust(1000)
      assert.strictEqual(lost(yield* Fiber.await(fiber)), `the connection to ${target.address} is lost`)
      assert.deepStrictEqual(seen, ["Hello", "Frame", "Frame"])
    }).pipe(Effect.scoped)
  )
}

it.effect("a server that takes a request and never answers it does not answer", () =>
  Effect.gen(function* () {
    let requests = 0
    const target = yield* serving((request, response) => {
      requests++
      // The head of an answer without the rest.
      if (request.url?.includes("/api/v1/pools") && request.method === "GET") response.writeHead(200).flushHeaders()
    })
    const asking: Array<Effect.Effect<unknown, TopError>> = [
      readOnce(target),
      Stream.runDrain(live(target, undefined)),
      act(target, "mail", "pause")
    ]
    for (const ask of asking) {
      const before = requests
      const fiber = yield* Effect.forkChild(ask, { startImmediately: true })
      yield* until(() => requests > before)
      for (let turn = 0; turn < 100; turn++) yield* Effect.promise(() => nextTurn())
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual(lost(yield* Fiber.await(fiber)), `nothing answers at ${target.address}`)
    }
  }).pipe(Effect.scoped)
)
