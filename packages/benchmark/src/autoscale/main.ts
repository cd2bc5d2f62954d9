/**
 * Drives a real HTTP server whose capacity changes, with an auto-scale pool and with the usual alternatives.
 *
 * `node packages/benchmark/src/autoscale/main.ts --help`
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Clock from "effect/Clock"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as FileSystem from "effect/FileSystem"
import * as Path from "effect/Path"
import * as Stream from "effect/Stream"
import { startServer } from "./client.ts"
import { Meter, type Result } from "./record.ts"
import { judge, page, plot, table, type Verdict, verdictTable } from "./report.ts"
import { type Way, ways } from "./ways.ts"

const capacities = [40, 10, 60]

const drive = (way: Way, length: number): Effect.Effect<Result> =>
  Effect.gen(function* () {
    const server = yield* startServer
    const setCapacity = (capacity: number) => Effect.promise(async () => server.request(`/capacity/${capacity}`))
    yield* setCapacity(capacities[0]!)
    const meter = new Meter()
    const { onStep, pool, run } = yield* way.make(server, meter)
    if (pool !== undefined) {
      meter.resized((yield* pool.stats).targetSize)
      const note = Stream.runForEach(pool.events, (event) =>
        Effect.sync(() => {
          if (event._tag === "Scaled") meter.resized(event.to)
        })
      )
      yield* Effect.forkScoped(note, { startImmediately: true })
    }
    const driver = yield* Effect.forkScoped(run)
    for (const [index, capacity] of capacities.entries()) {
      if (index > 0) {
        yield* setCapacity(capacity)
        yield* onStep(capacity)
      }
      yield* Effect.sleep(length)
    }
    const result = meter.result(way.name, capacities, length)
    yield* Fiber.interrupt(driver)
    if (explained.has(way.name) && pool !== undefined) yield* Console.error(yield* pool.explain(256))
    return result
  }).pipe(Effect.scoped)

const explained = new Set<string>()

const measure = Effect.fnUntraced(function* (label: string, length: number, chosen: ReadonlyArray<Way>) {
  const results: Array<Result> = []
  for (const [index, way] of chosen.entries()) {
    const takes = (capacities.length * length) / 1000
    yield* Console.log(`${label}, way ${index + 1} of ${chosen.length}: ${way.name} (${takes} s)`)
    results.push(yield* drive(way, length))
  }
  return results
})

const rounded = ({ failures, ratios, wayUp, whole }: Verdict) => ({
  ratios: ratios.map((ratio) => Number(ratio.toFixed(3))),
  whole: Number(whole.toFixed(3)),
  failures: Number(failures.toFixed(5)),
  // JSON has no infinity.
  wayUp: wayUp === Infinity ? null : Math.round(wayUp)
})

const writeDocument = Effect.fnUntraced(function* (name: string, text: string) {
  const path = yield* Path.Path
  const folder = yield* path.fromFileUrl(new URL("../../../../docs/benchmarks", import.meta.url))
  yield* FileSystem.FileSystem.use((fileSystem) => fileSystem.writeFileString(path.join(folder, name), text))
})

const program = Command.make(
  "autoscale-http",
  {
    runs: Flag.Int("runs").pipe(Flag.withDescription("Number of runs (default: 3)"), Flag.withDefault(3)),
    seconds: Flag.Int("seconds").pipe(
      Flag.withDescription("Duration of each capacity in seconds, more than 5 (default: 12)"),
      Flag.withDefault(12)
    ),
    explain: Flag.Boolean("explain").pipe(
      Flag.withDescription("Print the auto-scale pool's decisions to standard error"),
      Flag.withDefault(false)
    ),
    all: Flag.Boolean("all").pipe(
      Flag.withDescription(
        "Run every way in each run (default: in the first run only, then the auto-scale pool and its oracle)"
      ),
      Flag.withDefault(false)
    ),
    write: Flag.Boolean("write").pipe(
      Flag.withDescription("Write docs/benchmarks/autoscale-http.md, .json and .svg"),
      Flag.withDefault(false)
    )
  },
  Effect.fnUntraced(function* ({ all: everyTime, explain, runs, seconds, write }) {
    if (explain) explained.add(ways[1]!.name)
    const length = seconds * 1000
    const all: Array<ReadonlyArray<Result>> = []
    for (let run = 0; run < runs; run++) {
      const chosen = run === 0 || everyTime ? ways : ways.slice(0, 2)
      const results = yield* measure(`Run ${run + 1} of ${runs}`, length, chosen)
      all.push(results)
      yield* Console.log(`\n${table(results)}\n`)
    }
    const verdicts = all.map((results) => judge(results, length))
    const { met, summary, table: verdict } = verdictTable(verdicts, capacities)
    yield* Console.log([verdict, "", ...summary, "", `The limits are ${met ? "met" : "missed"}.`].join("\n"))
    if (!write) return
    const date = new Date(yield* Clock.currentTimeMillis).toISOString().slice(0, 10)
    const environment = {
      capacities,
      date,
      length,
      versions: `Node ${process.versions.node}, effect 4.1.0, p-queue 10.0.0`
    }
    yield* writeDocument("autoscale-http.md", page(all, environment))
    const typical = verdicts
      .map(({ wayUp }, index) => ({ wayUp, index }))
      .toSorted((a, b) => (a.wayUp < b.wayUp ? -1 : a.wayUp > b.wayUp ? 1 : 0))[Math.floor((runs - 1) / 2)]!
    const sizes = all[typical.index]![1]!.sizes.map(([at, size]) => [Math.round(at), size] as const)
    yield* writeDocument(
      "autoscale-http.json",
      `${JSON.stringify({ capacities, length, sizes, verdicts: verdicts.map(rounded) })}\n`
    )
    yield* writeDocument("autoscale-http.svg", plot({ capacities, length, sizes }))
  })
).pipe(Command.withDescription("Drives a real HTTP server whose capacity changes from 40 to 10 to 60."))

NodeRuntime.runMain(Effect.provide(Command.run(program, { version: "0.0.0" }), NodeServices.layer))
