/**
 * Compresses and hashes the source files of the installed `effect` package, in the main thread and on worker threads, and
 * shows how long the event loop of the main thread was blocked.
 *
 * `node packages/examples/src/blocking/main.ts [files]`
 */
import { AioFixedTaskPoolSimple, TaskPool } from "@aio-task-pool/core"
import { NodeExecutor, Progress } from "@aio-task-pool/node"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Path from "effect/Path"
import { monitorEventLoopDelay } from "node:perf_hooks"
import { listFiles, sourceFolder } from "../demo/files.ts"
import { compress, type Entry } from "./archive.jobs.ts"

/** The outcome of one way. */
export interface Outcome {
  readonly entries: ReadonlyArray<Entry>
  /** How long it took, in milliseconds. */
  readonly took: number
  /** The longest time in which no timer of the main thread could fire, in milliseconds. */
  readonly longestBlock: number
}

const threads = 2

/** Each file as a task of the pool, which calls the function in place. */
export const inMainThread = (paths: ReadonlyArray<string>) =>
  TaskPool.forEach(paths, (path) => Effect.sync(() => compress(path)))

/** Each file as a task of the pool, on the executor's threads. */
export const onThreads = (paths: ReadonlyArray<string>) =>
  Effect.forEach(paths, (path) => TaskPool.submitBlocking(compress, { args: [path] }), { concurrency: "unbounded" })

/** Runs one way with its progress, and measures it. */
const measure = <E, R>(
  label: string,
  total: number,
  work: Effect.Effect<ReadonlyArray<Entry>, E, R>
): Effect.Effect<Outcome, E, R> =>
  Effect.gen(function* () {
    const delay = monitorEventLoopDelay({ resolution: 5 })
    delay.enable()
    // A delay is measured from one firing of its timer to the next.
    yield* Effect.sleep("20 millis")
    const start = performance.now()
    const entries = yield* Progress.track(work, { label, total })
    const took = performance.now() - start
    yield* Effect.sleep("20 millis")
    delay.disable()
    return { entries, took, longestBlock: delay.max / 1e6 }
  })

export const program = (count: number) =>
  Effect.gen(function* () {
    const { join } = yield* Path.Path
    const root = yield* sourceFolder
    const paths = (yield* listFiles(root)).slice(0, count).map((path) => join(root, path))
    yield* Console.log(`${paths.length} files of effect, compressed and hashed, at most 8 at once:`)
    const here = yield* measure("in the main thread", paths.length, inMainThread(paths))
    const there = yield* measure(`on ${threads} worker threads`, paths.length, onThreads(paths))
    yield* Console.log(line("in the main thread", here))
    yield* Console.log(line(`on ${threads} worker threads`, there))
    const same = here.entries.every((entry, i) => entry.sha256 === there.entries[i]?.sha256)
    yield* Console.log(same ? "Both gave the same bytes." : "The bytes differ!")
    return { here, there, same }
  }).pipe(Effect.provide([AioFixedTaskPoolSimple.layer(8, { name: "compress" }), NodeExecutor.layer({ threads })]))

const line = (where: string, { longestBlock, took }: Outcome): string =>
  `  ${where.padEnd(22)} ${(took / 1000).toFixed(2).padStart(6)} s, the event loop was blocked for up to ${longestBlock.toFixed(0)} ms`

if (import.meta.main) {
  const count = Number(process.argv[2] ?? 200)
  NodeRuntime.runMain(Effect.provide(program(count), [Progress.layer({ stream: process.stdout }), NodeServices.layer]))
}
