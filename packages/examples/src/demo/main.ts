/**
 * The demo: fetches the source files of the installed `effect` package from a server with a real IO limit, in several
 * ways, and shows what task pools change. Then it compresses some of the files, in the main thread and on worker threads.
 *
 * `node packages/examples/src/demo/main.ts --help`
 */
import { Dashboard } from "@aio-task-pool/dashboard"
import { Progress } from "@aio-task-pool/node"
import * as NodeCrypto from "@effect/platform-node/NodeCrypto"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as CliError from "effect/cli/CliError"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Console from "effect/Console"
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { program as compressFiles } from "../blocking/main.ts"
import { FileClient } from "./client.ts"
import { readFiles, type SourceFile, sourceFolder } from "./files.ts"
import { conclusion, notes, problems, type Result, table } from "./report.ts"
import { startServer } from "./serverProcess.ts"
import { makeStopwatch } from "./stopwatch.ts"
import { keepWorking } from "./watch.ts"
import { type Way, type WayName, ways } from "./ways.ts"

/** Compressing this many files keeps one core busy for a few seconds. */
const mostCompressed = 200

const wayNames = Object.keys(ways) as ReadonlyArray<WayName>

const wholeNumber = (name: string, least: number) =>
  Flag.Int(name).pipe(
    Flag.filter(
      (value) => value >= least,
      () => `an integer of ${least} or more`
    )
  )

const flags = {
  files: wholeNumber("files", 1).pipe(
    Flag.withDescription("Number of files to fetch (default: all, several hundred)"),
    Flag.withDefault(Infinity)
  ),
  limit: wholeNumber("limit", 1).pipe(
    Flag.withDescription("Requests that the server handles at once (default: 16)"),
    Flag.withDefault(16)
  ),
  size: wholeNumber("size", 1).pipe(
    Flag.withDescription("Maximum number of workers of each pool (default: the server's limit)"),
    Flag.optional
  ),
  rate: wholeNumber("rate", 1).pipe(
    Flag.withDescription("Requests that the server accepts in any second from one API key (default: 100)"),
    Flag.withDefault(100)
  ),
  cost: wholeNumber("cost", 0).pipe(
    Flag.withDescription("Milliseconds that a request keeps the server's disk busy (default: 75)"),
    Flag.withDefault(75)
  ),
  only: Flag.Literals("only", wayNames).pipe(
    Flag.withDescription("Run only this way; can be repeated"),
    Flag.atLeast(0)
  ),
  dashboard: Flag.Boolean("dashboard").pipe(
    Flag.withDescription("Show the pools in the browser, and keep some at work until Ctrl-C"),
    Flag.withDefault(false)
  ),
  port: wholeNumber("port", 0).pipe(
    Flag.withDescription("Port of the dashboard, 0 for any free one (default: 4980)"),
    Flag.withDefault(4980)
  )
}

/** The demo ran to its end, with results that must not occur. */
class DemoFailed extends Data.TaggedError("DemoFailed")<{ readonly problems: ReadonlyArray<string> }> {
  override get message(): string {
    return this.problems.join("; ")
  }
  override readonly [CliError.userMessage] = this.message
}

interface Load {
  readonly files: ReadonlyArray<SourceFile>
  readonly size: number
  readonly rate: number
}

const runWay = Effect.fnUntraced(function* (name: WayName, load: Load) {
  const { run, title }: Way = ways[name]
  const [duration, outcome] = yield* Effect.timed(run({ ...load, watch: makeStopwatch() })).pipe(
    Progress.track({ label: title, total: load.files.length })
  )
  const result: Result = { ...outcome, name, title, seconds: Duration.toSeconds(duration) }
  return result
})

/** A client with connections of its own, and an API key if the way uses one. */
const clientOf = (name: WayName, address: string) => {
  const { usesApiKey = false }: Way = ways[name]
  return FileClient.layer(address, usesApiKey ? name : undefined)
}

const demo = Command.make(
  "demo",
  flags,
  Effect.fnUntraced(function* ({ cost, dashboard, files: count, limit, only, port, rate, ...given }) {
    // It logs its address, with the token that lets the page change pools.
    if (dashboard) yield* Layer.build(Dashboard.layer({ port, actions: true }))
    const size = Option.getOrElse(given.size, () => limit)
    const root = yield* sourceFolder
    const files = yield* readFiles(root, count)
    const megabytes = files.reduce((sum, { bytes }) => sum + bytes, 0) / 1e6
    // Half the limit may wait: enough for a short peak, too little for all requests at once.
    const backlog = Math.ceil(limit / 2)
    const { address, ended } = yield* startServer({ root, limit, backlog, cost, rate })
    yield* Console.log(
      `${files.length} files (${megabytes.toFixed(1)} MB) from ${address}, a server that handles ` +
        `${limit} requests at once, queues ${backlog} more and rejects the rest;\n` +
        `from one API key it accepts ${rate} requests in any second\n`
    )

    const chosen = wayNames.filter((name) => only.length === 0 || only.includes(name))
    const trials = Effect.forEach(chosen, (name) =>
      Effect.provide(runWay(name, { files, size, rate }), clientOf(name, address))
    )
    const askForLoad = Effect.provide(
      FileClient.use(({ load }) => load),
      FileClient.layer(address)
    )
    const [results, load] = yield* Effect.raceFirst(Effect.all([trials, askForLoad]), ended)

    yield* Console.log(`\n${table(results)}\n`)
    yield* Effect.forEach(notes(results, load), (note) => Console.log(note))
    const summingUp = conclusion(results, size)
    if (summingUp !== "") yield* Console.log(`\n${summingUp}`)
    // The second half: blocking work, in the main thread and on the executor's threads.
    if (only.length === 0) {
      yield* Console.log("")
      yield* compressFiles(Math.min(files.length, mostCompressed))
    }
    if (problems(results).length > 0) return yield* new DemoFailed({ problems: problems(results) })
    if (dashboard) {
      yield* Console.log("\nFour pools stay at work for the dashboard, until Ctrl-C.")
      const work = Effect.provide(keepWorking(files, limit), FileClient.layer(address))
      yield* Effect.raceFirst(work, ended)
    }
  }, Effect.scoped)
).pipe(
  Command.withDescription(
    "Fetches the source files of the installed effect package from a server with a real IO limit: everything at once, " +
      "then behind a fixed, an auto-scale and a priority task pool, then against a rate limit. Compares the SHA-256 of every body with the file on " +
      "disk. Then compresses files in the main thread and on worker threads, and shows how long the event loop was blocked."
  ),
  Command.withExamples([
    { command: "demo", description: "All files, all ways" },
    { command: "demo --only fixed --only at-once", description: "Two of the ways" },
    { command: "demo --files 40 --limit 4", description: "A few files from a small server" },
    { command: "demo --dashboard", description: "The pools in the browser" },
    { command: "demo --only fixed --size 64", description: "A pool that is too large for the server" },
    { command: "demo --only api-fixed --only api-rate", description: "A rate limit, without and with a rate" }
  ])
)

const services = Layer.mergeAll(Progress.layer({ stream: process.stdout }), NodeCrypto.layerDigest).pipe(
  Layer.provideMerge(NodeServices.layer)
)

NodeRuntime.runMain(Effect.provide(Command.run(demo, { version: "0.0.0" }), services))
