/**
 * Regressions that noise cannot cause: an algorithm that got worse.
 */
import type { Report } from "./report.ts"

const bounds = [
  {
    benchmark: "backlog",
    peer: undefined,
    most: 4,
    meaning: "the cost of a task grows with the number of waiting tasks"
  },
  {
    benchmark: "inspect",
    peer: undefined,
    most: 5,
    meaning: "the cost of a look grows with the number of waiting tasks"
  },
  {
    benchmark: "submit",
    peer: "Effect Semaphore",
    most: 0.3,
    meaning: "the cost of waiting grows with the number of waiting tasks"
  }
] as const

/** Returns one sentence for each regression of a run, and for each comparison that the run lacks. */
export const regressions = (report: Report): ReadonlyArray<string> =>
  bounds.flatMap(({ benchmark, meaning, most, peer }) => {
    const ratios = Object.entries(report[benchmark]?.ratios ?? {}).filter(([name]) => (peer ?? name) === name)
    if (ratios.length === 0) return [`${benchmark}${peer === undefined ? "" : `, ${peer}`}: not measured`]
    return (
      ratios
        // The lower end of the interval, because one disturbed pair is not a regression.
        .filter(([, { low }]) => low > most)
        .map(([name, { ratio }]) => `${benchmark}, ${name}: ratio ${ratio.toFixed(2)}, at most ${most}: ${meaning}`)
    )
  })
