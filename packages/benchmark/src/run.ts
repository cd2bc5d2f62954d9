/**
 * Runs one benchmark in this process, and combines the pairs of several processes.
 */
import { availableParallelism } from "node:os"
import { getCurrentVersion } from "effect/Version"
import * as Schema from "effect/Schema"
import manifest from "../package.json" with { type: "json" }
import type { Benchmark } from "./benchmark.ts"
import { processorClock, wallClock } from "./clock.ts"
import { effortOf, measure } from "./pairs.ts"
import type { Ratio, Result } from "./report.ts"
import { type Pair, summarize } from "./statistics.ts"

/** How to run a benchmark. */
export interface RunOptions {
  /** Less work and fewer pairs. */
  readonly quick: boolean
  /** Measure processor time instead of wall-clock time. */
  readonly cpu: boolean
}

/** The command line flags of these options. */
export const flagsOf = ({ cpu, quick }: RunOptions): ReadonlyArray<string> => [
  ...(quick ? ["--quick"] : []),
  ...(cpu ? ["--cpu"] : [])
]

/** The pairs of one process, by peer. */
export const Measured = Schema.Record(
  Schema.String,
  Schema.Array(Schema.Struct({ ours: Schema.Finite, theirs: Schema.Finite }))
)
export type Measured = typeof Measured.Type

/**
 * Measures a benchmark, or `only` the comparison with one peer, and calls `onComparison` after each comparison. Rejects
 * if a side did not do its work.
 */
export const measureBenchmark = async (
  benchmark: Benchmark,
  { cpu, quick }: RunOptions,
  only: string | undefined,
  onComparison: (peer: string, pairs: ReadonlyArray<Pair>) => void
): Promise<Measured> => {
  const measured: Record<string, ReadonlyArray<Pair>> = {}
  for (const comparison of benchmark.comparisons(quick)) {
    if (only !== undefined && comparison.peer !== only) continue
    const pairs = await measure(comparison, effortOf(quick), cpu ? processorClock : wallClock)
    measured[comparison.peer] = pairs
    onComparison(comparison.peer, pairs)
  }
  return measured
}

/** Combines the pairs of all processes. */
export const resultOf = (benchmark: Benchmark, options: RunOptions, parts: ReadonlyArray<Measured>): Result => {
  const ratios: Record<string, Ratio> = {}
  for (const { peer, target } of benchmark.comparisons(options.quick)) {
    const summary = summarize(parts.flatMap((part) => part[peer] ?? []))
    // The targets apply to the full work only.
    ratios[peer] = { ...summary, ...(target && !options.quick && { target }) }
  }
  return { title: benchmark.title, unit: benchmark.unit, ratios, environment: environment(options) }
}

const environment = (options: RunOptions): Result["environment"] => {
  const { "@types/async": _, ...peers } = manifest.devDependencies
  return {
    date: new Date().toISOString().slice(0, 10),
    machine: `${process.platform} ${process.arch}, ${availableParallelism()} cores`,
    versions: { Node: process.versions.node, effect: getCurrentVersion(), ...peers },
    flags: flagsOf(options).join(" ")
  }
}
