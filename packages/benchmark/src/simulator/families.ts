/**
 * The tables of the families: `adaptive` on the seeds it was tuned on and on those it was not, and other policies.
 */
import { mkdirSync, writeFileSync } from "node:fs"
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

type Policy = AutoScalePolicy.AutoScalePolicy<any>

const percent = (share: number): string => `${(100 * share).toFixed(2)} %`

const header = ["family", "goodput", "p10", "worst", "failures", "over-drive", "cold, s", "spread", "p99"]

const row = (name: string, { mean, p10, worst }: Survey): ReadonlyArray<string> => [
  name,
  mean.good.toFixed(3),
  p10.toFixed(3),
  worst.toFixed(3),
  percent(mean.errors),
  mean.over.toFixed(2),
  mean.cold.toFixed(1),
  mean.spread.toFixed(2),
  mean.p99.toFixed(2)
]

/** Returns the names of the thresholds that a family misses. */
const missedBy = (family: Family, { mean }: Survey): ReadonlyArray<string> => [
  ...(mean.good < family.good ? [`goodput ${family.good}`] : []),
  ...(mean.errors > family.errors ? [`failures ${percent(family.errors)}`] : [])
]

/** Judges a policy by all families. Returns the table, and the thresholds that it misses. */
const judgeFamilies = (
  policy: Policy,
  seeds: ReadonlyArray<number>
): { readonly table: string; readonly missed: ReadonlyArray<string> } => {
  const rows = [[...header, "missed"]]
  const missed: Array<string> = []
  const surveys = families.map((family) => {
    const result = survey(family, policy, seeds)
    const wrong = missedBy(family, result)
    rows.push([...row(`${family.id}: ${family.title}`, result), wrong.join(", ")])
    missed.push(...wrong.map((what) => `${family.id} ${what}`))
    return result
  })
  const all = summarize(surveys.flatMap(({ findings }) => findings))
  const wrong = [
    ...(all.mean.good < 0.97 ? ["goodput 0.97"] : []),
    ...(all.p10 < 0.92 ? ["p10 0.92"] : []),
    ...(all.mean.errors > 0.003 ? ["failures 0.30 %"] : []),
    ...(all.mean.over > 0.35 ? ["over-drive 0.35"] : [])
  ]
  rows.push([...row("**all**", all), wrong.join(", ")])
  missed.push(...wrong.map((what) => `all ${what}`))
  return { table: markdownTable(rows, rows[0]!.length), missed }
}

const terms = `\
Each family draws its parameters at random: \`packages/testing/src/simulator/families.ts\`. Goodput, over-drive and p99 are relative to the best fixed size, for limiters with Retry-After or fixed windows to the granted rate. "Failures" leaves out those that no size avoids. "cold": seconds from the start to 0.9 of the best goodput. "spread": standard deviation of the size over its mean, in the second half of a run.`

/** Writes docs/autoscale/families.md. Returns whether all thresholds hold on the seeds that were held out. */
export const acceptFamilies = (policy: Policy, folder: string): boolean => {
  const [tuned, held] = [judgeFamilies(policy, tuning), judgeFamilies(policy, heldOut)]
  const text = `# Families of servers

\`simulate --accept\`, ${new Date().toISOString().slice(0, 10)}: the policy \`${policy.name}\` on ${families.length} families of ${tuning.length} scenarios each.

${terms}

## Held out: seeds ${heldOut[0]} to ${heldOut.at(-1)}, on which nothing was tuned

${held.table}

## Tuning: seeds ${tuning[0]} to ${tuning.at(-1)}

${tuned.table}

\`simulate --others\` plays other policies on the same servers. It takes more than an hour, because they are rejected so often.
`
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, "families.md"), text)
  console.log(text)
  return held.missed.length === 0
}

/** Writes docs/autoscale/families-others.md: other policies on the seeds that were held out. */
export const compareFamilies = (policies: ReadonlyArray<Policy>, folder: string): void => {
  const tables = policies.map((policy) => `## \`${policy.name}\`\n\n${judgeFamilies(policy, heldOut).table}`)
  const text = `# Families of servers: other policies

\`simulate --others\`, ${new Date().toISOString().slice(0, 10)}, seeds ${heldOut[0]} to ${heldOut.at(-1)}. [The policy \`adaptive\`](families.md) on the same servers.

${tables.join("\n\n")}
`
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, "families-others.md"), text)
  console.log(text)
}
