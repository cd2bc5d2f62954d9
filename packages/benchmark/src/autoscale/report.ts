/** The runs as a Markdown page and as a picture. */
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
  const line = (cells: ReadonlyArray<string>): string => `| ${cells.join(" | ")} |`
  return [line(head), line(head.map((_, index) => (index === 0 ? "---" : "--:"))), ...rows.map(line)].join("\n")
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

| run | ${capacities.map((capacity) => `${capacity} desks`).join(" | ")} | refused | |
| --- | ${capacities.map(() => "--:").join(" | ")} | --: | --- |
${verdicts.map(({ failures, holds, ratios }, index) => `| ${index + 1} | ${ratios.map((ratio) => ratio.toFixed(2)).join(" | ")} | ${percent(failures)} | ${holds ? "holds" : "missed"} |`).join("\n")}

${date}, ${versions}, 2 shared cores. Made by \`node packages/benchmark/src/autoscale/main.ts --write\`.
`
}

const [width, height, left, bottom, top] = [760, 300, 44, 260, 36]

/** Capacity and the pool's size over time. */
export const plot = (result: Result, { capacities, length }: Environment): string => {
  const total = capacities.length * length
  const sizes = result.sizes.filter(([at]) => at < total)
  const most = 1.1 * Math.max(...capacities, ...sizes.map(([, size]) => size))
  const x = (at: number): string => (left + ((width - left - 12) * at) / total).toFixed(1)
  const y = (size: number): string => (bottom - ((bottom - top) * size) / most).toFixed(1)
  const steps = (points: ReadonlyArray<readonly [number, number]>): string =>
    points
      .map(([at, size], index) => (index === 0 ? `M${x(at)} ${y(size)}` : `H${x(at)}V${y(size)}`))
      .concat(`H${x(total)}`)
      .join("")
  const seconds = Array.from({ length: Math.floor(total / 5000) + 1 }, (_, index) => 5 * index)
  const levels = Array.from({ length: Math.floor(most / 20) + 1 }, (_, index) => 20 * index)
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" role="img" aria-labelledby="title">
<title id="title">The pool's size follows the server's capacity</title>
<style>
  text { font: 12px system-ui, sans-serif; fill: #24292f } .tick { fill: #6e7781 }
  path { fill: none } .grid { stroke: #d0d7de } .capacity { stroke: #8250df; stroke-width: 2; stroke-dasharray: 6 4 }
  .size { stroke: #0969da; stroke-width: 2 }
  @media (prefers-color-scheme: dark) {
    text { fill: #c9d1d9 } .tick { fill: #8b949e } .grid { stroke: #30363d }
    .capacity { stroke: #a371f7 } .size { stroke: #58a6ff }
  }
</style>
${levels.map((level) => `<path class="grid" d="M${left} ${y(level)}H${width - 12}"/><text class="tick" x="${left - 8}" y="${Number(y(level)) + 4}" text-anchor="end">${level}</text>`).join("\n")}
${seconds.map((second) => `<text class="tick" x="${x(1000 * second)}" y="${bottom + 18}" text-anchor="middle">${second}</text>`).join("\n")}
<text class="tick" x="${width - 12}" y="${height - 6}" text-anchor="end">seconds</text>
<path class="capacity" d="${steps(capacities.map((capacity, index) => [index * length, capacity]))}"/>
<path class="size" d="${steps(sizes)}"/>
<path class="capacity" d="M${left} 18h30"/><text x="${left + 38}" y="22">the server's capacity</text>
<path class="size" d="M${left + 200} 18h30"/><text x="${left + 238}" y="22">the pool's size</text>
</svg>
`
}
