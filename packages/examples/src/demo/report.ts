/**
 * The demo's report: pure functions from the results to text.
 */
import * as Array from "effect/Array"
import type { ServerLoad } from "./serverProcess.ts"
import { type Answer, groups } from "./stopwatch.ts"
import type { Outcome, WayName } from "./ways.ts"

/** One way's trial. */
export interface Result extends Outcome {
  readonly name: WayName
  readonly title: string
  readonly seconds: number
}

const failed = ({ answers }: Pick<Outcome, "answers">): ReadonlyArray<Answer> =>
  answers.filter(({ error }) => error !== undefined)

const good = ({ answers }: Pick<Outcome, "answers">): ReadonlyArray<Answer> =>
  answers.filter(({ error }) => error === undefined)

/** The value below which a share `p` of the sorted values lies, by nearest rank; undefined when there are none. */
export const percentile = (values: ReadonlyArray<number>, p: number): number | undefined =>
  values.toSorted((a, b) => a - b)[Math.max(0, Math.ceil(values.length * p) - 1)]

const header = ["way", "requests", "failures", "seconds", "good/s", "p50 ms", "p99 ms", "largest size"]

const cells = (title: string, answers: ReadonlyArray<Answer>, whole?: Result): ReadonlyArray<string> => {
  const latencies = good({ answers }).map(({ latency }) => latency)
  return [
    title,
    `${answers.length}`,
    `${failed({ answers }).length}`,
    whole === undefined ? "" : whole.seconds.toFixed(1),
    whole === undefined ? "" : (latencies.length / whole.seconds).toFixed(0),
    percentile(latencies, 0.5)?.toFixed(0) ?? "-",
    percentile(latencies, 0.99)?.toFixed(0) ?? "-",
    whole === undefined ? "" : `${whole.largestSize}`
  ]
}

const rows = (result: Result): ReadonlyArray<ReadonlyArray<string>> => [
  cells(result.title, result.answers, result),
  ...groups
    .map((name) => [name, result.answers.filter(({ group }) => group === name)] as const)
    .filter(([, answers]) => answers.length > 0)
    .map(([name, answers]) => cells(`  ${name}`, answers))
]

/** The table of all results. */
export const table = (results: ReadonlyArray<Result>): string => {
  const lines = [header, ...results.flatMap(rows)]
  const widths = header.map((_, column) => Math.max(...lines.map((line) => line[column]!.length)))
  const pad = (cell: string, column: number) =>
    column === 0 ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!)
  return lines.map((line) => line.map(pad).join("  ").trimEnd()).join("\n")
}

const errorName = ({ error }: Answer): string =>
  error?._tag === "Rejected"
    ? `rejected with ${error.status}`
    : error?._tag === "HttpClientError"
      ? error.reason._tag
      : `${error?._tag}`

/** What the table does not show: kinds of failures, sizes of the pool, order of completion, load of the server. */
export const notes = (results: ReadonlyArray<Result>, load: ServerLoad): ReadonlyArray<string> => [
  "Latency is the time from submitting a request to checking its body, for requests that succeeded.",
  `The server handled at most ${load.mostActive} requests at once, served ${load.served} and rejected ${load.rejected}.`,
  ...limitedNote(results, load),
  ...results.flatMap((result) => [...failureNote(result), ...sizesNote(result), ...urgentNote(result)])
]

const limitedNote = (results: ReadonlyArray<Result>, { limited }: ServerLoad): ReadonlyArray<string> => {
  const counts = results
    .filter(({ name }) => isLimited(name))
    .map(({ name, title }) => `${limited[name] ?? 0} of the ${title}`)
  return counts.length === 0 ? [] : [`Its rate limit rejected ${counts.join(" and ")}.`]
}

const failureNote = (result: Result): ReadonlyArray<string> => {
  const byKind = Array.groupBy(failed(result), errorName)
  const kinds = Object.entries(byKind).map(([kind, answers]) => `${answers.length} ${kind}`)
  return kinds.length === 0 ? [] : [`Failures of ${result.title}: ${kinds.join(", ")}.`]
}

const sizesNote = ({ sizes, title }: Result): ReadonlyArray<string> =>
  sizes === undefined ? [] : [`Sizes of the ${title}: ${sizes.join(" → ")}.`]

const urgentNote = ({ answers, title }: Result): ReadonlyArray<string> => {
  const middlePlace = (group: string) => {
    const places = answers.filter((answer) => answer.group === group).map(({ place }) => place)
    return percentile(places, 0.5)
  }
  const urgent = answers.filter(({ group }) => group === "urgent")
  if (urgent.length === 0) return []
  return [
    `In the ${title}, ${urgent.length} urgent requests were submitted last. Their median place in the order of ` +
      `completion was ${middlePlace("urgent")} of ${answers.length}; that of the others was ${middlePlace("others")}.`
  ]
}

/** Whether the server limits the rate of a way. */
const isLimited = (name: WayName): boolean => name === "api-fixed" || name === "api-rate"

/** One or two sentences that sum up the results. */
export const conclusion = (results: ReadonlyArray<Result>, size: number): string => {
  const clauses: globalThis.Array<string> = []
  const atOnce = results.find(({ name }) => name === "at-once")
  const behindPool = results.filter(({ name }) => name !== "at-once" && !isLimited(name))
  if (atOnce !== undefined) {
    const failures = failed(atOnce).length
    clauses.push(
      failures === 0
        ? `sent all at once, none of ${atOnce.answers.length} requests failed, too few to overload this server`
        : `sent all at once, ${failures} of ${atOnce.answers.length} requests failed`
    )
  }
  if (behindPool.length > 0) {
    const failures = behindPool.flatMap(failed).length
    clauses.push(
      failures === 0
        ? `behind a task pool of at most ${size} workers none failed, and every body matched the file on disk`
        : `behind a task pool of at most ${size} workers, ${failures} of ${behindPool.flatMap(({ answers }) => answers).length} failed`
    )
  }
  return [clauses.join("; "), limitedClause(results)]
    .filter((sentence) => sentence !== "")
    .map((sentence) => `${sentence.charAt(0).toUpperCase()}${sentence.slice(1)}.`)
    .join(" ")
}

const limitedClause = (results: ReadonlyArray<Result>): string => {
  const [fixed, rate] = (["api-fixed", "api-rate"] as const).map((way) => results.find(({ name }) => name === way))
  if (fixed === undefined || rate === undefined) return ""
  return (
    `against the rate limit ${failed(fixed).length} of ${fixed.answers.length} requests failed behind a fixed pool, ` +
    `and ${failed(rate).length} behind a pool with a rate`
  )
}

/**
 * Results that must not occur: a body that differs from the file on disk, or a failure behind a pool, except behind one
 * that does not know of the rate limit.
 */
export const problems = (results: ReadonlyArray<Result>): ReadonlyArray<string> =>
  results.flatMap((result) => {
    const wrong = failed(result).filter(({ error }) => error?._tag === "WrongBody").length
    const mayLose = result.name === "at-once" || result.name === "api-fixed"
    const lost = mayLose ? 0 : failed(result).length - wrong
    return [
      ...(wrong > 0
        ? [`${result.title}: ${wrong} ${wrong === 1 ? "body" : "bodies"} differed from the file on disk`]
        : []),
      ...(lost > 0 ? [`${result.title}: ${lost} of ${result.answers.length} requests failed`] : [])
    ]
  })
