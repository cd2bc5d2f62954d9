/**
 * Compares this checkout with another one, such as the branch before a change, by processor time:
 *
 *     node packages/benchmark/src/against.ts <checkout> [program] [--both] [--processes 5] [--pairs 12]
 *
 * The programs are `tick` (the default), `sync`, `fork`, `forEach` and `makeClose`, or the name of an option, such as
 * `key`. Then tasks with the option in this checkout are compared with plain tasks in the other one, which need not know
 * the option. With `--both` they are compared with tasks with the option there. Each checkout works in processes of its own, which take turns, because the engine compiles the same code
 * differently each time. Prints the ratio of each pair of processes and their median: below 1 this checkout is faster.
 */
import { fork } from "node:child_process"
import { once } from "node:events"
import { join, resolve } from "node:path"
import { parseArgs } from "node:util"
import { isOption, isProgram, options, programs } from "./againstPrograms.ts"

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: {
    both: { type: "boolean", default: false },
    processes: { type: "string", default: "5" },
    pairs: { type: "string", default: "12" }
  }
})
const [other, work = "tick"] = positionals
if (other === undefined) throw new Error("against.ts: name the other checkout")
if (!isProgram(work) && !isOption(work)) {
  const known = [...programs, ...Object.keys(options)].join(", ")
  throw new Error(`against.ts: unknown program ${work} (known: ${known})`)
}
const here = join(import.meta.dirname, "../../..")

const worker = async (checkout: string, work: string) => {
  const child = fork(join(import.meta.dirname, "againstWorker.ts"), [resolve(checkout), work], {
    execArgv: ["--expose-gc"],
    stdio: ["ignore", "inherit", "inherit", "ipc"]
  })
  await once(child, "message")
  return {
    run: async (): Promise<number> => {
      child.send("run")
      const [microseconds] = (await once(child, "message")) as [number]
      return microseconds
    },
    end: () => child.kill()
  }
}

const median = (values: ReadonlyArray<number>): number => values.toSorted((a, b) => a - b)[values.length >> 1]!

const ratios: Array<number> = []
for (let process = 0; process < Number(values.processes); process++) {
  const [ours, theirs] = [await worker(here, work), await worker(other, isOption(work) && !values.both ? "tick" : work)]
  const pairs: Array<number> = []
  for (let pair = 0; pair < Number(values.pairs); pair++) {
    const first = pair % 2 === 0 ? ours : theirs
    const one = await first.run()
    const two = await (first === ours ? theirs : ours).run()
    pairs.push(first === ours ? one / two : two / one)
  }
  ours.end()
  theirs.end()
  ratios.push(median(pairs))
  console.log(`${work}, processes ${process + 1}: ${median(pairs).toFixed(3)}`)
}
console.log(
  `${work}: median ${median(ratios).toFixed(3)}, ${Math.min(...ratios).toFixed(3)} to ${Math.max(...ratios).toFixed(3)}`
)
