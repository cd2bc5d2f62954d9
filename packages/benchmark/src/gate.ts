/**
 * The regressions that no noise can make: an algorithm that got worse.
 */
import type { Report } from "./report.ts"

const bounds = [
  { benchmark: "backlog", peer: undefined, most: 4, meaning: "a task costs more the more of them wait" },
  { benchmark: "submit", peer: "Effect Semaphore", most: 0.3, meaning: "waiting costs more the more of them wait" }
] as const

/** What is wrong with a run, a sentence each; also when it does not contain what would show it. */
export const regressions = (report: Report): ReadonlyArray<string> =>
  bounds.flatMap(({ benchmark, meaning, most, peer }) => {
    const ratios = Object.entries(report[benchmark]?.ratios ?? {}).filter(([name]) => (peer ?? name) === name)
    if (ratios.length === 0) return [`${benchmark}${peer === undefined ? "" : `, ${peer}`}: not measured`]
    return (
      ratios
        // The lower end of the interval: one disturbed pair is no regression.
        .filter(([, { low }]) => low > most)
        .map(([name, { ratio }]) => `${benchmark}, ${name}: ratio ${ratio.toFixed(2)}, at most ${most}: ${meaning}`)
    )
  })
