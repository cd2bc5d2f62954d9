/**
 * The worker-thread executor beside piscina and tinypool, all in one process and all driven by `Effect.forEach`.
 *
 * `node packages/benchmark/src/executor/main.ts [pairs] [pattern]` prints the table of `docs/benchmarks/executor.md`.
 */
import { Executor } from "@aio-task-pool/core"
import { NodeExecutor } from "@aio-task-pool/node"
import { Effect, Fiber } from "effect"
import { readFileSync } from "node:fs"
import { cpus } from "node:os"
import { Piscina } from "piscina"
import { Tinypool } from "tinypool"
import * as jobs from "./jobs.ts"
import { median } from "../statistics.ts"
import { paired, timed } from "./measure.ts"

const threads = 2
const pairs = Number(process.argv[2] ?? 15)
const pattern = new RegExp(process.argv[3] ?? "")
const filename = new URL("./peerJobs.ts", import.meta.url).href

const piscina = new Piscina({ filename, minThreads: threads, maxThreads: threads })
const tinypool = new Tinypool({ filename, minThreads: threads, maxThreads: threads, isolateWorkers: false })

const forEach = <A, E, R>(tasks: number, concurrency: number, f: (i: number) => Effect.Effect<A, E, R>) =>
  Effect.forEach(
    Array.from({ length: tasks }, (_, i) => i),
    f,
    { concurrency, discard: true }
  )

const compare = Effect.fnUntraced(function* <E1, R1, E2, R2>(
  what: string,
  target: string,
  tasks: number,
  ours: Effect.Effect<unknown, E1, R1>,
  theirs: Effect.Effect<unknown, E2, R2>
) {
  if (!pattern.test(what)) return
  const ratio = yield* paired(ours, theirs, { pairs, tasks })
  console.log(
    `| ${what} | ${round(ratio.ratio)} (${round(ratio.low)} to ${round(ratio.high)}) | ${target} | ${rate(ratio.ours)} | ${rate(ratio.theirs)} |`
  )
})

const round = (n: number) => n.toFixed(2)
const rate = (n: number) => Math.round(n).toLocaleString("en")

const runPiscina = (name: string, argument: unknown, transferList?: any) =>
  Effect.promise(() => piscina.run(argument, { name, transferList }))
const runTinypool = (name: string, argument: unknown) => Effect.promise(() => tinypool.run(argument, { name }))

const program = Effect.gen(function* () {
  console.log("| job | ratio (95 %) | target | ours, jobs/s | theirs, jobs/s |\n|---|---|---|---|---|")
  for (const [concurrency, tasks, target] of [
    [1, 4000, ">= 1.5"],
    [2, 4000, ">= 1.5"],
    [16, 8000, ""],
    [64, 8000, ">= 2"],
    [1000, 8000, ">= 2"]
  ] as const) {
    yield* compare(
      `no-op, ${concurrency} in flight, piscina`,
      target,
      tasks,
      forEach(tasks, concurrency, (i) => Executor.run(jobs.noop, [i])),
      forEach(tasks, concurrency, (i) => runPiscina("noop", i))
    )
    yield* compare(
      `no-op, ${concurrency} in flight, tinypool`,
      ">= 2",
      tasks,
      forEach(tasks, concurrency, (i) => Executor.run(jobs.noop, [i])),
      forEach(tasks, concurrency, (i) => runTinypool("noop", i))
    )
  }
  for (const [milliseconds, concurrency, tasks, target] of [
    [0.05, 64, 4000, ">= 1.2"],
    [1, 64, 300, ">= 0.95"],
    [20, 16, 24, ">= 0.95"]
  ] as const) {
    yield* compare(
      `${milliseconds < 1 ? `${milliseconds * 1000} us` : `${milliseconds} ms`} of work, ${concurrency} in flight, piscina`,
      target,
      tasks,
      forEach(tasks, concurrency, () => Executor.run(jobs.spin, [milliseconds])),
      forEach(tasks, concurrency, () => runPiscina("spin", milliseconds))
    )
  }

  // Each side has four buffers. A job transfers a buffer to the thread, and its result transfers the buffer back.
  const ourBuffers = Array.from({ length: 4 }, () => new Uint8Array(1 << 20))
  const theirBuffers = Array.from({ length: 4 }, () => new Uint8Array(1 << 20))
  yield* compare(
    "1 MB transferred there and back, 4 in flight, piscina",
    ">= 1",
    1000,
    forEach(4, 4, (slot) =>
      forEach(250, 1, () =>
        Effect.map(
          Executor.run(jobs.transferred, [ourBuffers[slot]!], { transfer: [ourBuffers[slot]!.buffer] }),
          (bytes) => void (ourBuffers[slot] = bytes as Uint8Array<ArrayBuffer>)
        )
      )
    ),
    forEach(4, 4, (slot) =>
      forEach(250, 1, () =>
        Effect.map(
          runPiscina("transferred", theirBuffers[slot]!, [theirBuffers[slot]!.buffer]),
          (bytes) => void (theirBuffers[slot] = bytes)
        )
      )
    )
  )
  const memory = new Uint8Array(new SharedArrayBuffer(1 << 20))
  yield* compare(
    "1 MB shared, 4 in flight, piscina",
    ">= 1",
    2000,
    forEach(2000, 4, () => Executor.run(jobs.shared, [memory])),
    forEach(2000, 4, () => runPiscina("shared", memory))
  )

  const items = Array.from({ length: 20_000 }, (_, i) => i)
  yield* compare(
    "map of no-ops in chunks of 64, piscina with 64 in flight",
    ">= 8",
    items.length,
    Executor.map(jobs.noop, items, { chunk: 64 }),
    forEach(items.length, 64, (i) => runPiscina("noop", i))
  )

  if (pattern.test("interrupt")) {
    const free: Array<number> = []
    const next: Array<number> = []
    for (let i = 0; i < pairs; i++) {
      // Waits until the spare thread is ready.
      while ((yield* Executor.stats).threads < threads + 1) yield* Effect.sleep(5)
      const cells = new Int32Array(new SharedArrayBuffer(4))
      const fiber = yield* Effect.forkChild(Executor.run(jobs.hang, [cells]), { startImmediately: true })
      yield* Effect.promise(async () => (Atomics as any).waitAsync(cells, 0, 0).value)
      const start = performance.now()
      free.push(yield* timed(Fiber.interrupt(fiber)))
      yield* Executor.run(jobs.noop, [1])
      next.push(performance.now() - start)
    }
    console.log(
      `\ninterrupting a busy loop: the caller was free after ${round(median(free))} ms (at most ${round(Math.max(...free))}),`
    )
    console.log(`the next job returned after ${round(median(next))} ms (at most ${round(Math.max(...next))})`)
  }
})

const version = (name: string) =>
  JSON.parse(readFileSync(new URL(`../../node_modules/${name}/package.json`, import.meta.url), "utf8")).version
console.log(
  `${new Date().toISOString().slice(0, 10)}, Node ${process.version}, ${cpus().length} x ${cpus()[0]?.model}, ` +
    `${threads} threads, ${pairs} pairs, effect ${version("effect")}, piscina ${version("piscina")}, tinypool ${version("tinypool")}\n`
)
await Effect.runPromise(Effect.provide(program, NodeExecutor.layer({ threads })))
await Promise.all([piscina.destroy(), tinypool.destroy()])
