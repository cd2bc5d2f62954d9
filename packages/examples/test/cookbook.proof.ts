import { isAvailable, RedisServer } from "@aio-task-pool/testing/RedisServer"
import { layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { assert, describe, it } from "vitest"
import { checkStream, numbers, onRedis, printedBy, programOf, run, shape } from "./cookbook/programs.ts"

// A process: real time.
it("long-stream holds as few of 200,000 lines as of 5,000", async () => {
  const output = await run(programOf("long-stream"))
  assert.strictEqual(shape(output), shape(printedBy("docs/cookbook/long-stream.md")))
  checkStream(output, 200_000)
})

describe.skipIf(!isAvailable(`the program ${onRedis} of the cookbook`))("the cookbook with Redis", () => {
  layer(RedisServer.layer, { excludeTestServices: true })((it) => {
    it.effect(`${onRedis} prints what its page shows, and keeps its limit`, () =>
      Effect.gen(function* () {
        const { url } = yield* RedisServer
        const output = yield* Effect.promise(() => run(programOf(onRedis), [], { REDIS_URL: url }))
        assert.strictEqual(shape(output), shape(printedBy(`docs/cookbook/${onRedis}.md`)))
        const [pages, here, there, status, served, most] = numbers(output)
        assert.deepStrictEqual([pages, here! + there!, status, served], [59, 59, 404, 59])
        assert.isAtMost(most!, 3)
      })
    )
  })
})
