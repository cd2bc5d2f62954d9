/** The runs as a Markdown page and as a plot. */
import { figure, timeline } from "../figure.ts"
import { markdownTable } from "../markdown.ts"
import { median } from "../statistics.ts"
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

/** The limits: shares of the oracle's goodput, a share of the requests, and milliseconds in the median. */
const limits = { goodput: 0.9, failures: 0.01, wayUp: 3_000 } as const

/** The part of a capacity at which the pool has found it. */
const found = 0.9

/** The figures of one run that have limits. */
export interface Verdict {
  /** Goodput over the oracle's from 5 seconds after each change, by phase. */
  readonly ratios: ReadonlyArray<number>
  /** Goodput over the oracle's in the whole run. */
  readonly whole: number
  readonly failures: number
  /** From the last change of the capacity to a size of `found` of it, in milliseconds; `Infinity` if it was not reached. */
  readonly wayUp: number
}

/** Evaluates a run: its first result is the oracle's, its second one the auto-scale pool's. */
export const judge = (results: ReadonlyArray<Result>, length: number): Verdict => {
  const [oracle, own] = [results[0]!, results[1]!]
  const last = own.phases.length - 1
  const change = last * length
  const enough = found * own.phases[last]!.capacity
  const [reached = Infinity] =
    own.sizes.find(([at, size], index) => {
      // A size holds until the next one, so it may have been reached before the change.
      const until = own.sizes[index + 1]?.[0] ?? Infinity
      return size >= enough && until > change && at < change + length
    }) ?? []
  return {
    ratios: own.phases.map(({ settled }, index) => settled / oracle.phases[index]!.settled),
    whole: own.goodput / oracle.goodput,
    failures: own.failures,
    wayUp: Math.max(0, reached - change)
  }
}

const seconds = (millis: number): string => (millis === Infinity ? "never" : (millis / 1000).toFixed(1))
const mark = (met: boolean): string => (met ? "✓" : "✗")

/** The verdict on several runs: a line for each run, and one for each limit. */
export const verdictTable = (
  verdicts: ReadonlyArray<Verdict>,
  capacities: ReadonlyArray<number>
): { readonly table: string; readonly met: boolean; readonly summary: ReadonlyArray<string> } => {
  const ratio = (value: number): string => `${value.toFixed(2)} ${mark(value >= limits.goodput)}`
  const rows = verdicts.map(({ failures, ratios, wayUp, whole }, index) => [
    `${index + 1}`,
    ...ratios.map(ratio),
    ratio(whole),
    `${percent(failures)} ${mark(failures <= limits.failures)}`,
    seconds(wayUp)
  ])
  const header = ["run", ...capacities.map((capacity) => `capacity ${capacity}`), "whole run", "rejected", "way up, s"]
  const count = (met: (verdict: Verdict) => boolean): readonly [number: number, met: boolean] => {
    const number = verdicts.filter(met).length
    return [number, number === verdicts.length]
  }
  const [settled, allSettled] = count(({ ratios }) => ratios.every((value) => value >= limits.goodput))
  const [whole, allWhole] = count((verdict) => verdict.whole >= limits.goodput)
  const [calm, allCalm] = count(({ failures }) => failures <= limits.failures)
  const wayUp = median(verdicts.map((verdict) => verdict.wayUp))
  const of = `of ${verdicts.length} ${verdicts.length === 1 ? "run" : "runs"}`
  const quick = wayUp <= limits.wayUp
  return {
    table: markdownTable([header, ...rows], 1),
    met: allSettled && allWhole && allCalm && quick,
    summary: [
      `${mark(allSettled)} From 5 seconds after each change at least ${limits.goodput} of the oracle's goodput: ${settled} ${of}.`,
      `${mark(allWhole)} In the whole run, with the start and each change, at least ${limits.goodput}: ${whole} ${of}.`,
      `${mark(allCalm)} At most ${percent(limits.failures)} rejected: ${calm} ${of}.`,
      `${mark(quick)} The way up from ${capacities.at(-2)} to ${found} of ${capacities.at(-1)} takes at most ${seconds(limits.wayUp)} seconds in the median: ${seconds(wayUp)}.`
    ]
  }
}

export const table = (results: ReadonlyArray<Result>): string => {
  const oracle = results[0]!
  const head = [
    "way",
    ...oracle.phases.map(({ capacity }) => `capacity ${capacity}`),
    "all",
    "of the oracle",
    "rejected",
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
  const verdicts = runs.map((results) => judge(results, length))
  const { summary, table: verdict } = verdictTable(verdicts, capacities)
  return `# A real server whose capacity changes

An HTTP server in its own process handles ${capacities.join(", then ")} requests at once, ${length / 1000} seconds each. A request takes 50 to 150 milliseconds. The server queues the same number again, and rejects the rest with 503 at once. There is always a next request. Each way starts fresh and does not know the capacity, except the oracle: a fixed pool that is resized to the capacity at each change.

The tables show successes per second in each phase, in parentheses from 5 seconds after its start. "Rejected" is the share of all requests. The run times are those of the successes.

![Size and capacity over time](autoscale-http.svg)

The figure shows the run with the median way up.

## Verdict

${summary.map((line) => `- ${line}`).join("\n")}

${verdict}

"capacity …": goodput over the oracle's, from 5 seconds after the change. "whole run": the same over all requests. "way up": seconds from the last change until the pool has ${found} of the new capacity.

${runs.map((results, index) => `## Run ${index + 1}\n\n${table(results)}`).join("\n\n")}

${date}, ${versions}, 2 shared cores. Generated by \`node packages/benchmark/src/autoscale/main.ts --runs ${runs.length} --write\`.
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
