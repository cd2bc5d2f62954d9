/**
 * The process of one benchmark: `node --expose-gc isolated.ts <name> [--quick]`. The result is on standard output.
 */
import { benchmarks } from "./benchmarks.ts"
import { quickly, thoroughly } from "./pairs.ts"
import { showNumber } from "./report.ts"
import { runBenchmark } from "./run.ts"

const [name, ...flags] = process.argv.slice(2)
const benchmark = benchmarks.find((benchmark) => benchmark.name === name)!
const quick = flags.includes("--quick")
const result = await runBenchmark(benchmark, quick, quick ? quickly : thoroughly, (peer, { pairs, ratio }) =>
  console.error(`${benchmark.name}, ${peer}: ${showNumber(ratio)} (${pairs} pairs)`)
)
console.log(JSON.stringify(result))
