/**
 * The process of one benchmark: `node --expose-gc isolated.ts <name> [--quick] [--cpu]`. The result is on standard
 * output, progress on standard error.
 */
import { benchmarks } from "./benchmarks.ts"
import { showNumber } from "./report.ts"
import { runBenchmark } from "./run.ts"

const [name, ...flags] = process.argv.slice(2)
const benchmark = benchmarks.find((benchmark) => benchmark.name === name)!
const options = { quick: flags.includes("--quick"), cpu: flags.includes("--cpu") }
const result = await runBenchmark(benchmark, options, (peer, { pairs, ratio }) =>
  console.error(`${benchmark.name}, ${peer}: ${showNumber(ratio)} (${pairs} pairs)`)
)
console.log(JSON.stringify(result))
