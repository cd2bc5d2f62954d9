/**
 * The table of the families: `adaptive` on the seeds that nothing was tuned on, and on those that it was tuned on.
 */
import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import type { AutoScalePolicy } from "@aio-task-pool/core"
import {
  families,
  type Family,
  heldOut,
  summarize,
  type Survey,
  survey,
  tuning
} from "@aio-task-pool/testing/Simulator"
import { markdownTable } from "../markdown.ts"
import { figuresOf, withFigures } from "./figures.ts"

type Policy = AutoScalePolicy.AutoScalePolicy<any>

export const percent = (share: number): string => `${(100 * share).toFixed(2)} %`

const seconds = (since: number): string => `${((performance.now() - since) / 1000).toFixed(1)} s`

/** The columns of a survey, without the name of its row. */
export const columns = ["goodput", "p10", "worst", "failures", "over-drive", "cold, s", "spread", "p99"]

/** The cells of a survey, in the order of `columns`. */
export const cells = ({ mean, p10, worst }: Survey): ReadonlyArray<string> => [
  mean.good.toFixed(3),
  p10.toFixed(3),
  worst.toFixed(3),
  percent(mean.errors),
  mean.over.toFixed(2),
  mean.cold.toFixed(1),
  mean.spread.toFixed(2),
  mean.p99.toFixed(2)
]

/** Surveys all families one after the other, and prints a line after each one. */
export const surveyAll = (
  label: string,
  policy: Policy,
  seeds: ReadonlyArray<number>,
  of: (family: Family) => Family = (family) => family
): ReadonlyArray<Survey> =>
  families.map((family, index) => {
    const begun = performance.now()
    const result = survey(of(family), policy, seeds)
    const place = `${index + 1}`.padStart(2)
    const shown = `goodput ${result.mean.good.toFixed(3)}, failures ${percent(result.mean.errors)}`
    console.log(`${label} ${place}/${families.length} ${family.id}: ${shown} (${seconds(begun)})`)
    return result
  })

/** Returns the names of the thresholds that a family misses. */
const missedBy = (family: Family, { mean }: Survey): ReadonlyArray<string> => [
  ...(mean.good < family.good ? [`goodput ${family.good}`] : []),
  ...(mean.errors > family.errors ? [`failures ${percent(family.errors)}`] : [])
]

/** Judges a policy by all families. Returns the table, and the thresholds that it misses. */
const judgeFamilies = (
  label: string,
  policy: Policy,
  seeds: ReadonlyArray<number>
): { readonly table: string; readonly missed: ReadonlyArray<string> } => {
  const rows = [["family", ...columns, "missed"]]
  const missed: Array<string> = []
  const surveys = surveyAll(label, policy, seeds)
  for (const [index, family] of families.entries()) {
    const wrong = missedBy(family, surveys[index]!)
    rows.push([`${family.id}: ${family.title}`, ...cells(surveys[index]!), wrong.join(", ")])
    missed.push(...wrong.map((what) => `${family.id} ${what}`))
  }
  const all = summarize(surveys.flatMap(({ findings }) => findings))
  const wrong = [
    ...(all.mean.good < 0.97 ? ["goodput 0.97"] : []),
    ...(all.p10 < 0.92 ? ["p10 0.92"] : []),
    ...(all.mean.errors > 0.003 ? ["failures 0.30 %"] : []),
    ...(all.mean.over > 0.35 ? ["over-drive 0.35"] : [])
  ]
  rows.push(["**all**", ...cells(all), wrong.join(", ")])
  missed.push(...wrong.map((what) => `all ${what}`))
  return { table: markdownTable(rows, rows[0]!.length), missed }
}

export const terms = `\
Each family draws its parameters at random: \`packages/testing/src/simulator/families.ts\`. Goodput, over-drive and p99 are relative to the best fixed size, for limiters with Retry-After or fixed windows to the granted rate. "p10" and "worst" are of the goodput. "Failures" leaves out those that no size avoids. "cold": seconds from the start to 0.9 of the best goodput. "spread": standard deviation of the size over its mean, in the second half of a run.`

/**
 * Writes families.md, and its figures into the guide's table. Returns whether all thresholds hold on the seeds that were
 * held out.
 */
export const acceptFamilies = (policy: Policy, docs: string): boolean => {
  const held = judgeFamilies("held out", policy, heldOut)
  const tuned = judgeFamilies("tuning", policy, tuning)
  const text = `# Families of servers

\`simulate --families\`, ${new Date().toISOString().slice(0, 10)}: the policy \`${policy.name}\` on ${families.length} families of ${tuning.length} scenarios each.

${terms}

## Held out: seeds ${heldOut[0]} to ${heldOut.at(-1)}, on which nothing was tuned

${held.table}

## Tuning: seeds ${tuning[0]} to ${tuning.at(-1)}

${tuned.table}

[Other policies](references.md) on the same kinds of servers. [A picture of each kind](servers.md).
`
  writeFileSync(join(docs, "autoscale/families.md"), text)
  const guide = join(docs, "guide/how-many-at-once.md")
  writeFileSync(guide, withFigures(readFileSync(guide, "utf8"), figuresOf(text)))
  console.log(text)
  return held.missed.length === 0
}
