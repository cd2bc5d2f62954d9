import { isAvailable, RedisServer } from "@aio-task-pool/testing/RedisServer"
import { assert, describe, it, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { spawn } from "node:child_process"
import { once } from "node:events"
import { fileURLToPath } from "node:url"
import { printedBy, shape } from "./cookbook/programs.ts"

const program = fileURLToPath(new URL("../distributed/main.ts", import.meta.url))

/** Runs the example with some files, and returns its lines when it has ended by itself. */
const run = (files: number, redis: string | undefined) =>
  Effect.promise(async () => {
    const { REDIS_URL: _, ...rest } = process.env
    const env = redis === undefined ? rest : { ...rest, REDIS_URL: redis }
    const child = spawn(process.execPath, [program, String(files)], { stdio: ["ignore", "pipe", "inherit"], env })
    let text = ""
    child.stdout.setEncoding("utf8").on("data", (chunk: string) => (text += chunk))
    const [code] = await once(child, "close")
    assert.strictEqual(code, 0)
    return text.trim().split("\n")
  })

it.live("hashes files in one process without Redis", () =>
  Effect.gen(function* () {
    const lines = yield* run(20, undefined)
    assert.strictEqual(lines[0], "20 files, in this process")
    assert.match(lines.at(-1)!, /^20 of 20 files in .* s, by 1 process, 0 ran again, 0 wrong or lost$/)
    const shown = shape(printedBy("packages/examples/distributed/README.md")).split("\n")
    assert.deepStrictEqual(
      [lines[0], lines.at(-1)].map((line) => shape(line!)),
      [shown[0], shown.at(-1)]
    )
  })
)

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
