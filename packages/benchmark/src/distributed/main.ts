/**
 * A distributed pool on Redis beside plain BullMQ with `waitUntilFinished`, with two worker processes of 8 each.
 *
 * `node --expose-gc packages/benchmark/src/distributed/main.ts [--quick] [beside | reactions | rerun | memory | closing ...]`
 * prints the tables of `docs/benchmarks/distributed.md`. `--soak 10` runs a soak of 10 minutes instead: `--lease` is its
 * lease and `--kill` the time between two kills, in milliseconds, and `--freezes` also stops workers again and again.
 * `--capacity` prints the tables of `docs/guide/past-one-redis.md`. Needs `redis-server` on the PATH.
 */
import { RedisServer } from "@aio-task-pool/testing/RedisServer"
import { Effect, Layer, type Scope } from "effect"
import { Queue, QueueEvents } from "bullmq"
import { Redis } from "ioredis"
import { readFileSync } from "node:fs"
import { createRequire } from "node:module"
import { cpus } from "node:os"
import { parseArgs } from "node:util"
import { median, medianInterval } from "../statistics.ts"
import { capacity } from "./capacity.ts"
import { spawn } from "./processes.ts"
import { soak, type SoakOptions } from "./soak.ts"
import { Hang, Noop, plainQueue, Pool, poolOf, size, Victim } from "./tasks.ts"

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: {
    capacity: { type: "boolean", default: false },
    quick: { type: "boolean", default: false },
    soak: { type: "string" },
    lease: { type: "string", default: "3000" },
    kill: { type: "string", default: "20000" },
    freezes: { type: "boolean", default: false }
  }
})
const { quick } = values
const rounds = quick ? 3 : 9
const scale = quick ? 0.25 : 1

const times = (count: number) => Array.from({ length: count }, (_, i) => i)

const timed = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<number, E, R> =>
  Effect.suspend(() => {
    const start = performance.now()
    return Effect.map(effect, () => performance.now() - start)
  })

const row = (...cells: ReadonlyArray<string>) => console.log(`| ${cells.join(" | ")} |`)
const fixed = (value: number, digits = 2) => value.toFixed(digits)
const whole = (value: number) => Math.round(value).toLocaleString("en")

/** Interleaves rounds of both sides, and returns the ratios ours / theirs of a figure of each round. */
const interleaved = Effect.fnUntraced(function* <E, R>(
  ours: Effect.Effect<number, E, R>,
  theirs: Effect.Effect<number, E, R>
) {
  const a: Array<number> = []
  const b: Array<number> = []
  yield* ours
  yield* theirs
  for (const i of times(rounds)) {
    if (i % 2 === 0) a.push(yield* ours)
    b.push(yield* theirs)
    if (i % 2 === 1) a.push(yield* ours)
  }
  const ratios = a.map((value, i) => value / b[i]!)
  const [low, high] = medianInterval(ratios)
  return { ratio: median(ratios), low, high, ours: median(a), theirs: median(b) }
})

type Ratio = {
  readonly ratio: number
  readonly low: number
  readonly high: number
  readonly ours: number
  readonly theirs: number
}

const ratioRow = (what: string, target: string, unit: string, { high, low, ours, ratio, theirs }: Ratio) =>
  row(
    what,
    `${fixed(ratio)} (${fixed(low)} to ${fixed(high)})`,
    target,
    `${whole(ours)} ${unit}`,
    `${whole(theirs)} ${unit}`
  )

/** Runs plain BullMQ as its documentation shows. */
const plain = Effect.fnUntraced(function* (url: string) {
  const connection = yield* Effect.acquireRelease(
    Effect.sync(() => new Redis(url, { maxRetriesPerRequest: null })),
    (client) => Effect.sync(() => client.disconnect())
  )
  const queue = new Queue(plainQueue, { connection, prefix: "aio" })
  const events = yield* Effect.acquireRelease(
    Effect.sync(() => new QueueEvents(plainQueue, { connection, prefix: "aio" })),
    (events) => Effect.promise(() => events.close())
  )
  queue.setMaxListeners(0)
  events.setMaxListeners(0)
  yield* Effect.promise(() => events.waitUntilReady())
  const keep = { removeOnComplete: { age: 3600 }, removeOnFail: { age: 3600 } }
  const submit = (i: number) =>
    Effect.promise(async () => {
      const job = await queue.add("noop", { i }, keep)
      const result: unknown = await job.waitUntilFinished(events)
      if (result !== i) throw new Error(`wrong result ${String(result)}`)
    })
  const addBulk = (count: number) =>
    Effect.promise(() => queue.addBulk(times(count).map((i) => ({ name: "noop", data: { i }, opts: keep }))))
  const count = (...types: ReadonlyArray<"waiting" | "active">) =>
    Effect.promise(() => queue.getJobCountByTypes(...types))
  const idle: Effect.Effect<void> = Effect.flatMap(count("waiting", "active"), (left) =>
    left === 0 ? Effect.void : Effect.andThen(Effect.sleep(10), idle)
  )
  return { submit, addBulk, idle }
})

const submit = (i: number) =>
  Effect.map(Pool.submit(Noop, { i }), (result) => {
    if (result !== i) throw new Error(`wrong result ${result}`)
  })

const poolIdle: Effect.Effect<void, unknown, Pool> = Effect.flatMap(Pool.stats, ({ running, waiting }) =>
  running + waiting === 0 ? Effect.void : Effect.andThen(Effect.sleep(10), poolIdle)
)

const perSecond = <E, R>(count: number, effect: Effect.Effect<unknown, E, R>) =>
  Effect.map(timed(effect), (millis) => (1000 * count) / millis)

const inWindow = <E, R>(count: number, window: number, one: (i: number) => Effect.Effect<unknown, E, R>) =>
  Effect.forEach(times(count), one, { concurrency: window, discard: true })

/** The median time of one task after another, in microseconds. */
const latency = <E, R>(count: number, one: (i: number) => Effect.Effect<unknown, E, R>) =>
  Effect.map(
    Effect.forEach(times(count), (i) => timed(one(i))),
    (millis) => 1000 * median(millis)
  )

const beside = Effect.gen(function* () {
  const { url } = yield* RedisServer
  for (const kind of ["typed", "typed", "plain", "plain"]) yield* spawn({ kind, url })
  const theirs = yield* plain(url)
  const body = Effect.gen(function* () {
    console.log("| work | ratio (95 %) | target | ours | theirs |\n|---|---|---|---|---|")
    const tasks = Math.round(4000 * scale)
    ratioRow(
      "submit, 64 in flight",
      ">= 0.6",
      "tasks/s",
      yield* interleaved(
        perSecond(tasks, inWindow(tasks, 64, submit)),
        perSecond(tasks, inWindow(tasks, 64, theirs.submit))
      )
    )
    const single = Math.round(400 * scale)
    ratioRow(
      "submit, one after another, median time",
      "<= 2",
      "us",
      yield* interleaved(latency(single, submit), latency(single, theirs.submit))
    )
    const fork = Effect.forEach(times(1000), (i) => Pool.fork(Noop, { i }), { concurrency: "unbounded", discard: true })
    ratioRow(
      "fork of 1,000 at once, one `addBulk` of 1,000",
      ">= 0.6",
      "tasks/s",
      yield* interleaved(
        Effect.tap(perSecond(1000, fork), () => poolIdle),
        Effect.tap(perSecond(1000, theirs.addBulk(1000)), () => theirs.idle)
      )
    )
  })
  yield* Effect.provide(body, poolOf(url))
})

const range = (values: ReadonlyArray<number>, unit: string) =>
  `${fixed(median(values), 1)} ${unit} (at most ${fixed(Math.max(...values), 1)})`

const reactions = Effect.gen(function* () {
  const { url } = yield* RedisServer
  yield* spawn({ kind: "typed", url, name: "reactions" })
  yield* spawn({ kind: "typed", url, name: "reactions" })
  const body = Effect.gen(function* () {
    console.log("\n| reaction | measured | target |\n|---|---|---|")
    const cancels: Array<number> = []
    const raises: Array<number> = []
    for (const i of times(quick ? 5 : 25)) {
      const handle = yield* Pool.fork(Hang, { key: `cancel-${i}` })
      yield* until(handle.state, (state) => state === "Running")
      cancels.push(yield* timed(handle.cancel))

      yield* Pool.resize(1)
      const first = yield* Pool.fork(Hang, { key: `first-${i}` })
      yield* until(first.state, (state) => state === "Running")
      const second = yield* Pool.fork(Noop, { i })
      raises.push(
        yield* timed(
          Effect.gen(function* () {
            yield* Pool.resize(size)
            yield* second.join
          })
        )
      )
      yield* first.cancel
    }
    row("cancel of a running task, until its remote finalizer has run", range(cancels, "ms"), "<= 200 ms")
    row("raise of the size, until the result of the next task", range(raises, "ms"), "<= 200 ms")
  })
  yield* Effect.provide(body, poolOf(url, "reactions"))
})

const until = <A, E, R>(effect: Effect.Effect<A, E, R>, holds: (value: A) => boolean): Effect.Effect<A, E, R> =>
  Effect.flatMap(effect, (value) =>
    holds(value) ? Effect.succeed(value) : Effect.andThen(Effect.sleep(1), until(effect, holds))
  )

/** Kills a worker in the middle of a task, and measures until another one has run it. */
const rerun = Effect.gen(function* () {
  const { url } = yield* RedisServer
  for (const [lease, stalledCheck] of [[3000, 1000], ...(quick ? [] : [[15_000, 5000] as const])] as const) {
    const name = `rerun-${lease}`
    const measured: Array<number> = []
    for (const _ of times(quick ? 1 : 3)) {
      yield* Effect.scoped(
        Effect.gen(function* () {
          const victim = yield* spawn({ kind: "typed", url, name, lease, stalledCheck })
          const submitted = yield* Effect.forkScoped(Effect.provide(Pool.submit(Victim, undefined), poolOf(url, name)))
          yield* victim.told("victim")
          const heir = yield* spawn({ kind: "typed", url, name, lease, stalledCheck })
          heir.child.send("heir")
          yield* Effect.sleep(100)
          victim.child.kill("SIGKILL")
          measured.push(yield* timed(Effect.promise(() => Effect.runPromise(fiberExit(submitted)))))
        })
      )
    }
    row(
      `run again after kill -9, lease ${lease / 1000} s, check ${stalledCheck / 1000} s`,
      range(
        measured.map((millis) => millis / 1000),
        "s"
      ),
      `<= ${(lease + stalledCheck) / 1000 + 1} s`
    )
  }
})

const fiberExit = <A, E>(fiber: import("effect").Fiber.Fiber<A, E>): Effect.Effect<void> =>
  Effect.callback((resume) => void fiber.addObserver(() => resume(Effect.void)))

/** Bytes of a waiting task, in the submitter's heap and in the broker. */
const memory = Effect.gen(function* () {
  const { url } = yield* RedisServer
  const count = Math.round(20_000 * scale)
  const body = Effect.gen(function* () {
    const raw = new Redis(url)
    const used = Effect.promise(async () => Number(/used_memory:(\d+)/.exec(await raw.info("memory"))![1]))
    const heap = Effect.promise(async () => {
      for (let i = 0; i < 6; i++) {
        globalThis.gc?.()
        await new Promise((resolve) => setTimeout(resolve, 50))
      }
      return process.memoryUsage().heapUsed
    })
    // What earlier parts left behind is gone before the first reading, and all code has run.
    const first = yield* Effect.forEach(times(2000), (i) => Pool.fork(Noop, { i }), { concurrency: 1000 })
    yield* heap
    const before = [yield* heap, yield* used] as const
    const handles = yield* Effect.forEach(times(count), (i) => Pool.fork(Noop, { i }), { concurrency: 1000 })
    const after = [yield* heap, yield* used] as const
    row("heap of the submitter for a waiting fork", `${whole((after[0] - before[0]) / count)} bytes`, "<= 2,000")
    row("memory of the broker for a waiting task", `${whole((after[1] - before[1]) / count)} bytes`, "<= 1,500")
    raw.disconnect()
    return first.length + handles.length
  })
  yield* Effect.provide(body, poolOf(url, "memory", 0))
})

/** Closes a worker while the broker is down. */
const closing = Effect.gen(function* () {
  const server = yield* RedisServer
  const closes: Array<number> = []
  const exits: Array<number> = []
  for (const i of times(quick ? 1 : 3)) {
    const worker = yield* spawn({ kind: "typed", url: server.url, name: `closing-${i}` })
    yield* server.kill
    yield* Effect.sleep(200)
    const start = performance.now()
    worker.child.send("close")
    closes.push((yield* worker.told("closed")) - start)
    yield* Effect.callback<void>((resume) => {
      if (worker.child.exitCode !== null) return resume(Effect.void)
      worker.child.once("exit", () => resume(Effect.void))
    })
    exits.push(performance.now() - start)
    yield* server.start
  }
  row(
    "close of a worker while the broker is down",
    range(
      closes.map((millis) => millis / 1000),
      "s"
    ),
    "<= 4 s"
  )
  row(
    "until its process has ended",
    range(
      exits.map((millis) => millis / 1000),
      "s"
    ),
    "<= 12 s"
  )
})

const version = (name: string) => {
  const file = createRequire(import.meta.url).resolve(`${name}/package.json`)
  return (JSON.parse(readFileSync(file, "utf8")) as { readonly version: string }).version
}
console.log(
  `${new Date().toISOString().slice(0, 10)}, Node ${process.version}, ${cpus().length} x ${cpus()[0]?.model}, ` +
    `${rounds} rounds, effect ${version("effect")}, bullmq ${version("bullmq")}, ioredis ${version("ioredis")}\n`
)

/** 200 tasks in a second. */
const soakOptions = (minutes: string): SoakOptions => ({
  minutes: Number(minutes),
  lease: Number(values.lease),
  killEvery: Number(values.kill),
  submitEvery: 5,
  freezes: values.freezes
})

const parts: Readonly<Record<string, Effect.Effect<unknown, unknown, RedisServer | Scope.Scope>>> = {
  beside,
  reactions,
  rerun,
  memory,
  closing
}
const chosen: ReadonlyArray<readonly [string, Effect.Effect<unknown, unknown, RedisServer | Scope.Scope>]> =
  values.capacity
    ? [["capacity", capacity]]
    : values.soak === undefined
      ? Object.entries(parts).filter(([name]) => positionals.length === 0 || positionals.includes(name))
      : [["soak", soak(soakOptions(values.soak))]]
for (const [, part] of chosen) {
  await Effect.runPromise(Effect.provide(Effect.scoped(part), Layer.fresh(RedisServer.layerVolatile)))
}
