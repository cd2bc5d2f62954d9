import { interruptedEverywhere } from "@aio-task-pool/testing/interrupting"
import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import { createServer, type Server } from "node:net"

it.live("an interrupted effect's timers and servers are counted until they end, and those of other code are not", () =>
  Effect.gen(function* () {
    const others = setTimeout(() => {}, 60_000)
    const made: Array<NodeJS.Timeout | Server> = []
    const leaking = Effect.promise(
      () =>
        new Promise<void>((resolve) => {
          const server = createServer().listen(0, resolve)
          made.push(
            setTimeout(() => {}, 60_000),
            server
          )
        })
    )
    let most = 0
    yield* interruptedEverywhere(leaking, (_exit, _at, alive) =>
      Effect.promise(async () => {
        const count = () => alive("Timeout") + alive("TCPSERVERWRAP")
        most = Math.max(most, count())
        assert.strictEqual(count(), made.length)
        for (const each of made.splice(0)) {
          if ("close" in each && "listen" in each) each.close()
          else clearTimeout(each)
        }
        for (let turns = 0; count() > 0 && turns < 1000; turns++) await new Promise((resolve) => setImmediate(resolve))
        assert.strictEqual(count(), 0)
      })
    )
    clearTimeout(others)
    assert.strictEqual(most, 2)
  })
)
