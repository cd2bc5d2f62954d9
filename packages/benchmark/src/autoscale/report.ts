/** The runs as a Markdown page and as a picture. */
import { figure, timeline } from "../figure.ts"
import { markdownTable } from "../markdown.ts"
import type { Result } from "./record.ts"

export interface Environment {
  readonly date: string
  readonly versions: string
  /** Milliseconds of a phase. */
  readonly length: number
  readonly capacities: ReadonlyArray<number>
}

const number = (value: number): string => value.toFixed(value < 10 ? 1 : 0)
const percent = (value: number): string => `${(100 * value).toFixed(value < 0.1 ? 2 : 0)} %`

/** The lines that the issue draws, of one run. */
export interface Verdict {
  readonly ratios: ReadonlyArray<number>
  readonly failures: number
  readonly holds: boolean
}

export const judge = (results: ReadonlyArray<Result>): Verdict => {
  const [oracle, own] = [results[0]!, results[1]!]
  const ratios = own.phases.map(({ settled }, index) => settled / oracle.phases[index]!.settled)
  return { ratios, failures: own.failures, holds: own.failures <= 0.01 && ratios.every((ratio) => ratio >= 0.85) }
}

export const table = (results: ReadonlyArray<Result>): string => {
  const oracle = results[0]!
  const head = [
    "way",
    ...oracle.phases.map(({ capacity }) => `${capacity} desks`),
    "all",
    "of the oracle",
    "refused",
    "p50 ms",
    "p99 ms"
  ]
  const rows = results.map((result) => [
    result.name,
    ...result.phases.map(({ goodput, settled }) => `${number(goodput)} (${number(settled)})`),
    number(result.goodput),
    (result.goodput / oracle.goodput).toFixed(2),
    percent(result.failures),
    number(result.p50),
    number(result.p99)
  ])
  return markdownTable([head, ...rows], 1)
}

export const page = (runs: ReadonlyArray<ReadonlyArray<Result>>, environment: Environment): string => {
  const { capacities, date, length, versions } = environment
  const verdicts = runs.map(judge)
  return `# A real server whose capacity steps

An HTTP server in a process of its own has ${capacities.join(", then ")} desks, ${length / 1000} seconds each. A request takes a desk for 50 to 150 ms; as many may wait for one, and who comes on top is refused with 503 at once. There is always a next request. Every way begins anew and knows nothing of the steps, except for the oracle: a fixed pool that is resized to the capacity at each step.

Successes per second, in each phase and in brackets from 5 seconds after its begin; refused requests as a share of all; run times of the successes.

${runs.map((results, index) => `## Run ${index + 1}\n\n${table(results)}`).join("\n\n")}

![Size and capacity over time](autoscale-http.svg)

The line to meet: from 5 seconds after each step at least 0.85 of the oracle's goodput, and at most 1 % refused.

${markdownTable(
  [
    ["run", ...capacities.map((capacity) => `${capacity} desks`), "refused", ""],
    ...verdicts.map(({ failures, holds, ratios }, index) => [
      `${index + 1}`,
      ...ratios.map((ratio) => ratio.toFixed(2)),
      percent(failures),
      holds ? "holds" : "missed"
    ])
  ],
  1
)}

${date}, ${versions}, 2 shared cores. Made by \`node packages/benchmark/src/autoscale/main.ts --write\`.
`
}

/** What the figure shows, in milliseconds and workers. */
export type Sizes = Pick<Result, "sizes"> & Pick<Environment, "capacities" | "length">

/** Draws the capacity and the pool's size over time. */
export const plot = ({ capacities, length, sizes }: Sizes): string => {
  const end = (capacities.length * length) / 1000
  const points = (steps: Result["sizes"]) => {
    const inside = steps.map(([at, value]) => [at / 1000, value] as const).filter(([at]) => at < end)
    return [...inside, [end, inside.at(-1)![1]] as const]
  }
  return figure("The pool's size follows the server's capacity", [
    timeline("requests at once", [
      { label: "the pool's size", color: "blue", points: points(sizes), stepped: true },
      {
        label: "the server's capacity",
        color: "orange",
        points: points(capacities.map((capacity, index) => [index * length, capacity])),
        dashed: true,
        stepped: true
      }
    ])
  ])
}
