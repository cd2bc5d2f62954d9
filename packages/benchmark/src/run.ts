/**
 * Runs one benchmark in this process.
 */
import { availableParallelism } from "node:os"
import { getCurrentVersion } from "effect/Version"
import manifest from "../package.json" with { type: "json" }
import type { Benchmark } from "./benchmark.ts"
import { processorClock, wallClock } from "./clock.ts"
import { measure, quickly, thoroughly } from "./pairs.ts"
import type { Ratio, Result } from "./report.ts"
import { summarize } from "./statistics.ts"

/** How to run a benchmark. */
export interface RunOptions {
  /** Less work and few pairs. */
  readonly quick: boolean
  /** Read processor time instead of the time on the wall. */
  readonly cpu: boolean
}

/** The command line flags of these options. */
export const flagsOf = ({ cpu, quick }: RunOptions): ReadonlyArray<string> => [
  ...(quick ? ["--quick"] : []),
  ...(cpu ? ["--cpu"] : [])
]

/** Measures a benchmark, and tells each comparison as it is found. Rejects when a side did not do its work. */
export const runBenchmark = async (
  benchmark: Benchmark,
  options: RunOptions,
  tell: (peer: string, found: Ratio) => void
): Promise<Result> => {
  const effort = options.quick ? quickly : thoroughly
  const now = options.cpu ? processorClock : wallClock
  const ratios: Record<string, Ratio> = {}
  for (const comparison of benchmark.comparisons(options.quick)) {
    const { peer } = comparison
    // The targets hold for the whole work.
    const target = comparison.target && !options.quick ? { target: comparison.target } : {}
    const found = { ...summarize(await measure(comparison, effort, now)), ...target }
    ratios[peer] = found
    tell(peer, found)
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
