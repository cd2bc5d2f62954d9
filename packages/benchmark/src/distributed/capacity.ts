/**
 * Measures what a pool costs its Redis server, for the model of `capacityModel.ts`.
 *
 * The figures are of the server itself: processor time of its main thread, commands (those inside of scripts too), bytes
 * and memory. Other load on the machine changes them far less than it changes tasks per second.
 */
import { RedisServer } from "@aio-task-pool/testing/RedisServer"
import { Effect, type Scope } from "effect"
import { Redis } from "ioredis"
import { capacityTables } from "./capacityModel.ts"
import { spawn } from "./processes.ts"
import { Hang, Noop, perWorker, Pool, poolOf } from "./tasks.ts"

/** Totals of the server since its start. */
interface Reading {
  readonly at: number // ms
  readonly cpu: number // us
  readonly commands: number
  readonly scripts: number
  readonly input: number // bytes
  readonly output: number // bytes
  readonly events: number
}

const field = (info: string, name: string): number => Number(new RegExp(`^${name}:([\\d.]+)`, "m").exec(info)?.[1] ?? 0)

const read = async (raw: Redis, name: string): Promise<Reading> => {
  const stream = (await raw.call("XINFO", "STREAM", `aio:${name}:events`).catch(() => [])) as ReadonlyArray<unknown>
  const info = await raw.info("everything")
  const calls = (command: string) => Number(new RegExp(`^cmdstat_${command}:calls=(\\d+)`, "m").exec(info)?.[1] ?? 0)
  return {
    at: performance.now(),
    cpu: 1e6 * (field(info, "used_cpu_user_main_thread") + field(info, "used_cpu_sys_main_thread")),
    commands: field(info, "total_commands_processed"),
    scripts: calls("evalsha") + calls("eval"),
    input: field(info, "total_net_input_bytes"),
    output: field(info, "total_net_output_bytes"),
    events: stream.length === 0 ? 0 : Number(stream[stream.indexOf("entries-added") + 1])
  }
}

type Cost = Omit<Reading, "at">
const figures = ["cpu", "commands", "scripts", "input", "output", "events"] as const

/** What the server did meanwhile, less a cost per second that it has without the work, for each of `count`. */
const costOf = Effect.fnUntraced(function* <E, R>(
  raw: Redis,
  name: string,
  count: number,
  work: Effect.Effect<unknown, E, R>,
  idle?: Cost
) {
  const before = yield* Effect.promise(() => read(raw, name))
  yield* work
  const after = yield* Effect.promise(() => read(raw, name))
  const seconds = (after.at - before.at) / 1000
  const each = (figure: (typeof figures)[number]) =>
    (after[figure] - before[figure] - (idle?.[figure] ?? 0) * seconds) / count
  return Object.fromEntries(figures.map((figure) => [figure, each(figure)])) as unknown as Cost
})

const times = (count: number) => Array.from({ length: count }, (_, i) => i)

const submit = (i: number) =>
  Effect.map(Pool.submit(Noop, { i }), (result) => {
    if (result !== i) throw new Error(`wrong result ${result}`)
  })

/** Keeps 64 tasks in flight. */
const full = (count: number) => Effect.forEach(times(count), submit, { concurrency: 64, discard: true })

/** Submits a task every `interval` milliseconds. */
const paced = (count: number, interval: number) =>
  Effect.suspend(() => {
    const start = performance.now()
    const until = (at: number) => Effect.suspend(() => Effect.sleep(Math.max(0, at - performance.now())))
    return Effect.forEach(times(count), (i) => Effect.andThen(until(start + interval * i), submit(i)), {
      concurrency: 64,
      discard: true
    })
  })

const row = (...cells: ReadonlyArray<string | number>) =>
  console.log(
    `| ${cells.map((cell) => (typeof cell === "number" ? cell.toFixed(cell < 20 ? 1 : 0) : cell)).join(" | ")} |`
  )

const seconds = 5

/** The costs of one composition of processes: of a second without tasks, of a task of 100 a second, of one of many. */
const composition = Effect.fnUntraced(function* (raw: Redis, name: string, submitters: number, workers: number) {
  yield* full(500)
  yield* Effect.sleep(1500)
  const idle = yield* costOf(raw, name, seconds, Effect.sleep(1000 * seconds))
  const few = yield* costOf(raw, name, 400, paced(400, 10), idle)
  const some = yield* costOf(raw, name, 1000, paced(1000, 2), idle)
  const many = yield* costOf(raw, name, 2000, full(2000), idle)
  const clients = field(yield* Effect.promise(() => raw.info("clients")), "connected_clients") - 1
  for (const [load, cost] of [
    ["no tasks, per second", idle],
    ["100 tasks/s, per task", few],
    ["500 tasks/s, per task", some],
    ["64 in flight, per task", many]
  ] as const) {
    row(submitters, workers, load, cost.cpu, cost.commands, cost.scripts, cost.input, cost.output, cost.events, clients)
  }
})

const withRaw = <A, E, R>(use: (raw: Redis, url: string) => Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const { url } = yield* RedisServer
    const raw = yield* Effect.acquireRelease(
      Effect.sync(() => new Redis(url)),
      (client) => Effect.sync(() => client.disconnect())
    )
    return yield* use(raw, url)
  }).pipe(Effect.scoped)

const byWorkers = withRaw((raw, url) =>
  Effect.provide(
    Effect.gen(function* () {
      let workers = 0
      for (const next of [1, 2, 4, 8]) {
        for (; workers < next; workers++) yield* spawn({ kind: "typed", url, name: "workers" })
        yield* composition(raw, "workers", 1, workers)
      }
      // More workers than there are processes: shows whether the slope holds.
      for (const _ of times(2)) yield* spawn({ kind: "typed", url, name: "workers", copies: 28 })
      yield* composition(raw, "workers", 1, workers + 56)
    }),
    poolOf(url, "workers", 64 * perWorker)
  )
)

const bySubmitters = withRaw((raw, url) =>
  Effect.provide(
    Effect.gen(function* () {
      for (const _ of times(2)) yield* spawn({ kind: "typed", url, name: "submitters" })
      let submitters = 1
      for (const next of [1, 2, 4]) {
        for (; submitters < next; submitters++) yield* spawn({ kind: "submitter", url, name: "submitters" })
        yield* composition(raw, "submitters", submitters, 2)
      }
      for (const _ of times(2)) yield* spawn({ kind: "submitter", url, name: "submitters", copies: 6 })
      yield* composition(raw, "submitters", submitters + 12, 2)
    }),
    poolOf(url, "submitters", 2 * perWorker)
  )
)

/** What renewing leases and looking for stalled tasks costs: two workers with 16 tasks that run all the time. */
const holding = withRaw((raw, url) =>
  Effect.provide(
    Effect.gen(function* () {
      console.log(
        "\n| lease 2 s, stalled check 1 s, 2 workers | CPU us/s | commands/s | scripts/s |\n|---|---|---|---|"
      )
      for (const _ of times(2)) yield* spawn({ kind: "typed", url, name: "holding", lease: 2000, stalledCheck: 1000 })
      yield* full(100)
      const idle = yield* costOf(raw, "holding", seconds, Effect.sleep(1000 * seconds))
      const handles = yield* Effect.forEach(times(16), (i) => Pool.fork(Hang, { key: `${i}` }))
      yield* Effect.sleep(1000)
      const held = yield* costOf(raw, "holding", seconds, Effect.sleep(1000 * seconds))
      row("no task runs", idle.cpu, idle.commands, idle.scripts)
      row("16 tasks run", held.cpu, held.commands, held.scripts)
      yield* Effect.forEach(handles, (handle) => handle.cancel)
    }),
    poolOf(url, "holding")
  )
)

/** The server's memory for a task that waits, and for a result that it keeps. */
const memory = withRaw((raw, url) => {
  const used = Effect.promise(async () => field(await raw.info("memory"), "used_memory"))
  const grown = <E, R>(count: number, work: Effect.Effect<unknown, E, R>) =>
    Effect.gen(function* () {
      const before = yield* used
      yield* work
      return ((yield* used) - before) / count
    })
  return Effect.gen(function* () {
    console.log("\n| memory of the server | bytes |\n|---|---|")
    const waiting = Effect.gen(function* () {
      const fork = (count: number) =>
        Effect.forEach(times(count), (i) => Pool.fork(Noop, { i }), { concurrency: 500, discard: true })
      // The stream of events is full after these.
      yield* fork(8000)
      row("a waiting task, after 8,000", yield* grown(4000, fork(4000)))
      row("a waiting task, after 12,000", yield* grown(8000, fork(8000)))
    })
    yield* Effect.provide(waiting, poolOf(url, "waiting", 0))
    const kept = Effect.gen(function* () {
      yield* spawn({ kind: "typed", url, name: "kept" })
      yield* full(4000)
      row("a kept result", yield* grown(4000, full(4000)))
    })
    yield* Effect.provide(kept, poolOf(url, "kept"))
  })
})

/** Prints what was measured, and then what is computed from the figures that `capacityModel.ts` has. */
export const capacity: Effect.Effect<void, unknown, RedisServer | Scope.Scope> = Effect.gen(function* () {
  console.log(
    "| submitters | workers | load | CPU us | commands | scripts | bytes in | bytes out | events | connections |\n" +
      "|---|---|---|---|---|---|---|---|---|---|"
  )
  yield* byWorkers
  yield* bySubmitters
  yield* holding
  yield* memory
  console.log(`\nComputed:\n\n${capacityTables()}`)
})
