/**
 * Measures the pools beside their peers.
 *
 * `node packages/benchmark/src/main.ts --help`
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Argument from "effect/cli/Argument"
import * as CliError from "effect/cli/CliError"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as TerminalCapabilities from "effect/cli/TerminalCapabilities"
import * as Console from "effect/Console"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Path from "effect/Path"
import * as Schema from "effect/Schema"
import { benchmarks } from "./benchmarks.ts"
import { regressions } from "./gate.ts"
import { runIsolated } from "./isolate.ts"
import { page, provenance, Report, table } from "./report.ts"
import type { RunOptions } from "./run.ts"

const names = Argument.Literals(
  "name",
  benchmarks.map(({ name }) => name)
).pipe(Argument.withDescription("Benchmarks to run (default: all)"), Argument.variadic())

const flag = (name: string, description: string) =>
  Flag.Boolean(name).pipe(Flag.withDescription(description), Flag.withDefault(false))

const flags = {
  quick: flag("quick", "Less work and fewer pairs: all benchmarks within 60 seconds, for orientation only"),
  cpu: flag("cpu", "Measure processor time instead of wall-clock time, on a machine that runs other programs"),
  json: flag("json", "Print one JSON object instead of a Markdown table"),
  markdown: flag("markdown", "Also write the table to docs/benchmarks/results.md"),
  svg: flag("svg", "Also write a plot to docs/benchmarks/ratios.svg"),
  gate: flag("gate", "Fail on regressions that noise cannot cause"),
  from: Flag.File("from", { mustExist: true }).pipe(
    Flag.withDescription("Show a run that was saved with --json instead of measuring; can be repeated"),
    Flag.atLeast(0)
  )
}

/** The run found a regression. */
class Regressed extends Data.TaggedError("Regressed")<{ readonly regressions: ReadonlyArray<string> }> {
  override get message(): string {
    return this.regressions.join("\n")
  }
  override readonly [CliError.userMessage] = this.message
}

const readReport = Effect.fnUntraced(function* (file: string) {
  const text = yield* FileSystem.FileSystem.use((fileSystem) => fileSystem.readFileString(file))
  return yield* Schema.decodeEffect(Schema.fromJsonString(Report))(text)
})

const measureAll = Effect.fnUntraced(function* (names: ReadonlyArray<string>, options: RunOptions) {
  // With `--quick`, `features` is measured in one process, as `mixed`.
  const isChosen = (name: string): boolean =>
    names.length === 0 ? !(options.quick && name === "mixed") : names.includes(name)
  const chosen = benchmarks.filter(({ name }) => isChosen(name))
  const results = yield* Effect.forEach(chosen, (benchmark) => runIsolated(benchmark, options))
  return Object.fromEntries(results.map((result, index) => [chosen[index]!.name, result]))
})

const writeDocument = Effect.fnUntraced(function* (name: string, text: string) {
  const path = yield* Path.Path
  const folder = yield* path.fromFileUrl(new URL("../../../docs/benchmarks", import.meta.url))
  const fileSystem = yield* FileSystem.FileSystem
  yield* fileSystem.makeDirectory(folder, { recursive: true })
  yield* fileSystem.writeFileString(path.join(folder, name), text)
})

const bench = Command.make(
  "bench",
  { names, ...flags },
  Effect.fnUntraced(function* ({ cpu, from, gate, json, markdown, names, quick, svg }) {
    const reports =
      from.length > 0 ? yield* Effect.forEach(from, readReport) : [yield* measureAll(names, { cpu, quick })]
    yield* Console.log(json ? JSON.stringify(reports[0], undefined, 2) : `${table(reports)}\n\n${provenance(reports)}`)
    if (markdown) yield* writeDocument("results.md", page(reports))
    if (svg) {
      // Only here: what draws takes longer to load than all else.
      const { plot } = yield* Effect.promise(() => import("./plot.ts"))
      yield* writeDocument("ratios.svg", plot(reports))
    }
    const found = gate ? reports.flatMap(regressions) : []
    if (found.length > 0) return yield* new Regressed({ regressions: found })
  })
).pipe(
  Command.withDescription(
    "Measures the pools beside their peers: both sides do the same checked work in one process, in interleaved pairs. " +
      "A ratio is ours / theirs, below 1 is better."
  ),
  Command.withExamples([
    { command: "bench", description: "All benchmarks, a table" },
    { command: "bench submit --json", description: "One benchmark, as JSON" },
    { command: "bench --quick --gate", description: "What CI runs" },
    { command: "bench --from one.json --from two.json --svg", description: "Two saved runs side by side" }
  ])
)

const services = Layer.provideMerge(TerminalCapabilities.layer, NodeServices.layer)

NodeRuntime.runMain(Effect.provide(Command.run(bench, { version: "0.0.0" }), services))
