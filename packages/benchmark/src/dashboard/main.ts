/**
 * What the dashboard costs the program that it shows: building frames, serving open pages, and closing under them.
 *
 * `node packages/benchmark/src/dashboard/main.ts [--quick]` prints the tables of `docs/benchmarks/dashboard.md`.
 */
import { Effect, type Scope } from "effect"
import { fork } from "node:child_process"
import { once } from "node:events"
import { get } from "node:http"
import { fileURLToPath } from "node:url"
import { parseArgs } from "node:util"
import { markdownTable } from "../markdown.ts"
import { median, medianInterval } from "../statistics.ts"
import { frameCosts } from "./frames.ts"

const { values } = parseArgs({ options: { quick: { type: "boolean", default: false } } })
const { quick } = values

export type Question = "cpu" | "close"
/** Milliseconds. */
interface Cpu {
  readonly cpu: number
  readonly at: number
}
interface Closed {
  readonly closed: number
}
interface Ready {
  readonly address: string
}
export type Answer = Ready | Cpu | Closed

const programFile = fileURLToPath(new URL("./program.ts", import.meta.url))

/** A program with some pools and a dashboard, which ends with the scope. */
const openProgram = (pools: number) =>
  Effect.gen(function* () {
    const child = yield* Effect.acquireRelease(
      Effect.sync(() => fork(programFile, [String(pools)], { stdio: ["ignore", "ignore", "inherit", "ipc"] })),
      (child) => Effect.sync(() => void child.kill("SIGKILL"))
    )
    const answer = <A extends Answer>() => Effect.promise(async () => (await once(child, "message"))[0] as A)
    const ask = <A extends Answer>(question: Question) =>
      Effect.andThen(
        Effect.sync(() => child.send(question)),
        answer<A>()
      )
    const { address } = yield* answer<Ready>()
    return { address, readCpu: ask<Cpu>("cpu"), close: ask<Closed>("close") }
  })

/** An open page: reads the stream of all pools, or of one, until the scope closes. Returns how much it has read. */
const openPage = (address: string, pool: number | undefined): Effect.Effect<() => number, never, Scope.Scope> =>
  Effect.gen(function* () {
    let bytes = 0
    const request = yield* Effect.acquireRelease(
      Effect.sync(() => get(`${address}/api/v1/live${pool === undefined ? "" : `?pool=pool-${pool}`}`)),
      (request) => Effect.sync(() => void request.destroy())
    )
    yield* Effect.promise(async () => {
      request.on("error", () => {})
      const [response] = await once(request, "response")
      if (response.statusCode !== 200) throw new Error(`the dashboard answered ${response.statusCode}`)
      response.on("error", () => {})
      response.on("data", (chunk: Buffer) => (bytes += chunk.length))
    })
    return () => bytes
  })

/** Opens pages: the first shows all pools, and each other one a pool of its own. */
const openPages = (address: string, count: number) =>
  Effect.forEach(
    Array.from({ length: count }, (_, page) => page),
    (page) => openPage(address, page === 0 ? undefined : page)
  )

const pools = 100
const pages = [0, 1, 16]
const rounds = quick ? 2 : 9
const window = quick ? 2000 : 5000

const percent = (share: number) => `${(100 * share).toFixed(2)} %`

const serving = Effect.gen(function* () {
  const { address, readCpu } = yield* openProgram(pools)
  /** The share of a core that the program uses, and the bytes that a page reads in a second. */
  const measure = (count: number) =>
    Effect.gen(function* () {
      const open = yield* openPages(address, count)
      yield* Effect.sleep(1000)
      const before = yield* readCpu
      const read = open.map((bytes) => bytes())
      yield* Effect.sleep(window)
      const after = yield* readCpu
      const seconds = (after.at - before.at) / 1000
      const rates = open.map((bytes, page) => (bytes() - read[page]!) / seconds)
      if (rates.some((rate) => rate < 1000)) throw new Error("a page got no frames")
      return { share: (after.cpu - before.cpu) / (after.at - before.at), rate: rates.at(-1) ?? 0 }
    }).pipe(Effect.scoped)
  yield* measure(1)
  const shares = new Map(
    pages.map((count) => [count, { shares: [] as Array<number>, more: [] as Array<number>, rate: 0 }])
  )
  for (let round = 0; round < rounds; round++) {
    let base = 0
    for (const count of pages) {
      const { rate, share } = yield* measure(count)
      if (count === 0) base = share
      const known = shares.get(count)!
      known.shares.push(share)
      known.more.push(share - base)
      known.rate = rate
    }
  }
  const rows = Array.from(shares, ([count, { more, rate, shares }]) => [
    String(count),
    percent(median(shares)),
    count === 0 ? "" : `${percent(median(more))} (${medianInterval(more).map(percent).join(" to ")})`,
    count === 0 ? "" : "≤ 2 %",
    count === 0 ? "" : `${Math.round(rate / 1000)} kB/s`
  ])
  console.log(
    markdownTable([["open pages", "CPU of a core", "more than without (95 %)", "target", "a page reads"], ...rows], 0)
  )
})

const closing = Effect.gen(function* () {
  const times: Array<number> = []
  for (let round = 0; round < (quick ? 1 : 5); round++) {
    const { closed } = yield* Effect.gen(function* () {
      const { address, close } = yield* openProgram(10)
      yield* openPages(address, 16)
      return yield* close
    }).pipe(Effect.scoped)
    times.push(closed)
  }
  console.log(
    `Closing with 16 open pages: ${median(times).toFixed(0)} ms, at most ${Math.max(...times).toFixed(0)} (target: 500 ms).`
  )
})

const frames = Effect.gen(function* () {
  const costs = yield* frameCosts([1, 10, 100, 1000], quick ? 3 : 15)
  const rows = costs.map(({ bytes, milliseconds, pools }) => [
    String(pools),
    `${milliseconds.toFixed(3)} ms`,
    pools === 100 ? "≤ 1 ms" : "",
    `${(bytes / 1000).toFixed(1)} kB`
  ])
  console.log(markdownTable([["pools", "CPU of a frame", "target", "size"], ...rows], 0))
})

const main = Effect.gen(function* () {
  yield* frames
  console.log("")
  yield* serving
  console.log("")
  yield* closing
})

await Effect.runPromise(Effect.scoped(main))
process.exit(0)
