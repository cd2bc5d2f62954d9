/**
 * Runs one benchmark in this process.
 */
import { availableParallelism } from "node:os"
import { getCurrentVersion } from "effect/Version"
import manifest from "../package.json" with { type: "json" }
import type { Benchmark } from "./benchmark.ts"
import { type Effort, measure } from "./pairs.ts"
import type { Ratio, Result } from "./report.ts"
import { summarize } from "./statistics.ts"

/** Measures a benchmark, and tells each comparison as it is found. Rejects when a side did not do its work. */
export const runBenchmark = async (
  benchmark: Benchmark,
  quick: boolean,
  effort: Effort,
  tell: (peer: string, found: Ratio) => void
): Promise<Result> => {
  const ratios: Record<string, Ratio> = {}
  for (const comparison of benchmark.comparisons(quick)) {
    const { peer, target } = comparison
    const found = { ...summarize(await measure(comparison, effort)), ...(target !== undefined && { target }) }
    ratios[peer] = found
    tell(peer, found)
  }
  return { title: benchmark.title, unit: benchmark.unit, ratios, environment: environment(quick) }
}

const environment = (quick: boolean): Result["environment"] => {
  const { "@types/async": _, ...peers } = manifest.devDependencies
  return {
    date: new Date().toISOString().slice(0, 10),
    machine: `${process.platform} ${process.arch}, ${availableParallelism()} cores`,
    versions: { Node: process.versions.node, effect: getCurrentVersion(), ...peers },
    quick
  }
}
