/**
 * Runs one benchmark, or one comparison of it, in its own process, so that it finds the same heap and the same compiled
 * code whatever ran before it. Runs several such processes, one after another, because the engine compiles the same code
 * differently each time.
 */
import { fileURLToPath } from "node:url"
import * as CliError from "effect/cli/CliError"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as ChildProcess from "effect/process/ChildProcess"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import type { Benchmark } from "./benchmark.ts"
import { flagsOf, Measured, resultOf, type RunOptions } from "./run.ts"

/** A process of the benchmark ended without a result. */
export class BenchmarkFailed extends Data.TaggedError("BenchmarkFailed")<{ readonly why: string }> {
  override get message(): string {
    return this.why
  }
  override readonly [CliError.userMessage] = this.message
}

/** Measures a benchmark; its progress goes to standard error. */
export const runIsolated = Effect.fnUntraced(function* (benchmark: Benchmark, options: RunOptions) {
  const processes = options.quick ? 1 : (benchmark.processes ?? 3)
  const peers = benchmark.comparisons(options.quick).map(({ peer }) => peer)
  const each = benchmark.apart === true && !options.quick ? peers.map((peer) => [peer]) : [[]]
  const measured = Effect.forEach(each, (only) => measureIsolated(benchmark, options, only))
  return resultOf(benchmark, options, (yield* Effect.replicateEffect(measured, processes)).flat())
})

const measureIsolated = Effect.fnUntraced(function* (
  benchmark: Benchmark,
  options: RunOptions,
  only: ReadonlyArray<string>
) {
  const program = fileURLToPath(new URL("isolated.ts", import.meta.url))
  const child = yield* ChildProcess.make(
    process.execPath,
    ["--expose-gc", program, benchmark.name, ...flagsOf(options), ...only],
    { stderr: "inherit", forceKillAfter: "3 seconds" }
  )
  const output = yield* Stream.mkString(Stream.decodeText(child.stdout))
  const code = yield* child.exitCode
  if (code !== 0) return yield* new BenchmarkFailed({ why: `${benchmark.name} ended with exit code ${code}` })
  return yield* Schema.decodeEffect(Schema.fromJsonString(Measured))(output)
}, Effect.scoped)
