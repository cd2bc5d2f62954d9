// Hashes each of 200,000 lines of a file, eight at a time, and writes the results in the order of the lines.
import { AioFixedTaskPoolSimple, TaskPool } from "@aio-task-pool/core"
import { Effect, Stream } from "effect"
import { createReadStream, createWriteStream, mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { createInterface } from "node:readline"
import { Readable } from "node:stream"
import { pipeline } from "node:stream/promises"

const count = Number(process.argv[2] ?? 200_000)
const folder = mkdtempSync(join(tmpdir(), "lines-"))
const input = join(folder, "in.txt")
const output = join(folder, "out.txt")
await pipeline(
  Readable.from(
    (function* () {
      for (let i = 0; i < count; i++) yield `line ${i}\n`
    })()
  ),
  createWriteStream(input)
)

let active = 0
let mostActive = 0
let read = 0
let written = 0
let mostHeld = 0

const hash = (line: string) =>
  Effect.promise(async () => {
    mostActive = Math.max(mostActive, ++active)
    const bytes = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(line))
    active--
    return `${line} ${Buffer.from(bytes).toString("hex").slice(0, 8)}\n`
  })

const lines = Stream.fromAsyncIterable(createInterface({ input: createReadStream(input) }), (cause) => cause)
const hashed = lines.pipe(
  Stream.tap(() => Effect.sync(() => (mostHeld = Math.max(mostHeld, ++read - written)))),
  TaskPool.mapEffect(hash),
  Stream.tap(() => Effect.sync(() => written++))
)

const program = Effect.gen(function* () {
  const results = yield* Stream.toAsyncIterableEffect(hashed)
  // The file is written no faster than the disk takes it, and then nothing more is read.
  yield* Effect.tryPromise((signal) => pipeline(Readable.from(results), createWriteStream(output), { signal }))
})

await Effect.runPromise(Effect.provide(program, AioFixedTaskPoolSimple.layer(8)))
console.log(`${written} lines, at most ${mostActive} hashed at once, at most ${mostHeld} read and not yet written`)
for await (const line of createInterface({ input: createReadStream(output) })) {
  console.log(line)
  break
}
rmSync(folder, { recursive: true })
