import { isAvailable, RedisServer } from "@aio-task-pool/testing/RedisServer"
import { assert, describe, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { run } from "./distributed/run.ts"

describe.skipIf(!isAvailable("the example of distributed pools"))("with Redis", () => {
  layer(RedisServer.layer, { excludeTestServices: true })((it) => {
    it.effect("loses no file when a worker is killed in the middle", () =>
      Effect.gen(function* () {
        const lines = yield* run(60, (yield* RedisServer).url)
        assert.strictEqual(lines[0], "60 files, in two worker processes")
        assert.isTrue(lines.some((line) => line.startsWith("kill -9 of worker")))
        assert.match(lines.at(-1)!, /^60 of 60 files in .* s, by 2 processes, \d+ ran again, 0 wrong or lost$/)
      })
    )
  })
})
