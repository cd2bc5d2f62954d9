/**
 * Hashes the source files of the installed `effect` package. Without Redis this process does the work. With Redis two
 * worker processes do it. One of them is killed in the middle, and no file is lost.
 *
 * `node main.ts [files]`
 *
 * `REDIS_URL=redis://localhost:6379 node main.ts [files]`
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { globSync } from "node:fs"
import { readFile } from "node:fs/promises"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { pool, redis, worker } from "./pool.ts"
import { HashFile, Hashes, sha256Of } from "./tasks.ts"

const root = fileURLToPath(new URL("src", import.meta.resolve("effect/package.json")))
const count = Number(process.argv[2] ?? 200)
const paths = globSync("**/*.ts", { cwd: root })
  .sort()
  .slice(0, count)
  .map((path) => join(root, path))

let done = 0
const results = new Map<string, typeof HashFile.success.Type>()

const line = Effect.map(Hashes.stats, ({ running, waiting, workers }) => {
  const percent = Math.floor((100 * done) / paths.length)
  return `${done} of ${paths.length} files (${percent} %), ${running} running, ${waiting} waiting, ${workers} connected`
})

/** On a terminal the line is drawn again and again, elsewhere printed once a second. */
const progress = process.stdout.isTTY
  ? Effect.repeat(
      Effect.flatMap(line, (text) => Effect.sync(() => process.stdout.write(`\r\u001B[2K${text}`))),
      Schedule.spaced("100 millis")
    )
  : Effect.repeat(Effect.flatMap(line, Console.log), Schedule.spaced("1 second"))

const print = (text: string) => Console.log(process.stdout.isTTY ? `\r\u001B[2K${text}` : text)

const startWorker = Effect.acquireRelease(
  Effect.sync(() =>
    spawn(process.execPath, [fileURLToPath(new URL("./worker.ts", import.meta.url))], { stdio: "inherit" })
  ),
  (child) =>
    Effect.promise(async () => {
      if (child.exitCode !== null || child.signalCode !== null) return
      // A worker finishes its tasks after this signal.
      child.kill("SIGTERM")
      await once(child, "exit")
    })
)

/** Kills a worker as `kill -9` does, when it has done a part of the work and is busy. */
const killInTheMiddle = (victim: ChildProcess) =>
  Effect.gen(function* () {
    const isMiddle = Effect.sync(() => done >= paths.length / 3)
    yield* Effect.repeat(isMiddle, { until: (middle) => middle, schedule: Schedule.spaced("5 millis") })
    victim.kill("SIGKILL")
    yield* print(`kill -9 of worker ${victim.pid} after ${done} files: its tasks run again when their lease has ended`)
  })

const hashAll = Effect.forEach(
  paths,
  (path) =>
    Effect.map(Hashes.submit(HashFile, { path }), (result) => {
      done++
      results.set(path, result)
    }),
  { concurrency: 32, discard: true }
)

const check = Effect.promise(async () => {
  let wrong = 0
  for (const path of paths) if (results.get(path)?.sha256 !== sha256Of(await readFile(path))) wrong++
  return wrong
})

const main = Effect.gen(function* () {
  yield* print(`${paths.length} files, ${redis === undefined ? "in this process" : "in two worker processes"}`)
  if (redis !== undefined) {
    const victim = yield* startWorker
    yield* startWorker
    yield* Effect.repeat(Hashes.stats, { until: ({ workers }) => workers >= 2, schedule: Schedule.spaced("50 millis") })
    yield* Effect.forkScoped(killInTheMiddle(victim))
  }
  yield* Effect.forkScoped(Effect.ignore(progress))
  const begun = performance.now()
  yield* hashAll
  const all = Array.from(results.values())
  const again = all.filter((result) => result.again).length
  const processes = new Set(all.map(({ by }) => by)).size
  yield* print(
    `${results.size} of ${paths.length} files in ${((performance.now() - begun) / 1000).toFixed(1)} s, ` +
      `by ${processes} ${processes === 1 ? "process" : "processes"}, ${again} ran again, ${yield* check} wrong or lost`
  )
}).pipe(Effect.scoped)

const layer = redis === undefined ? Layer.provideMerge(worker, pool) : pool

NodeRuntime.runMain(Effect.provide(main, layer))
