/**
 * The process of one benchmark: `node --expose-gc isolated.ts <name> [--quick] [--cpu] [peer]`. With a peer it measures
 * only this comparison. It prints its pairs to standard output and its progress to standard error.
 */
import { benchmarks } from "./benchmarks.ts"
import { showNumber } from "./report.ts"
import { measureBenchmark } from "./run.ts"
import { summarize } from "./statistics.ts"

const [name, ...flags] = process.argv.slice(2)
const benchmark = benchmarks.find((benchmark) => benchmark.name === name)!
const options = { quick: flags.includes("--quick"), cpu: flags.includes("--cpu") }
const only = flags.find((flag) => !flag.startsWith("--"))
const measured = await measureBenchmark(benchmark, options, only, (peer, pairs) =>
  console.error(`${benchmark.name}, ${peer}: ${showNumber(summarize(pairs).ratio)} (${pairs.length} pairs)`)
)
console.log(JSON.stringify(measured))
