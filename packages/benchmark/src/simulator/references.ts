/**
 * The table of other policies: dialogue's AIMD, Vector's and Gradient2, beside `adaptive` on the same draws of the families.
 */
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { families, type Family, heldOut, references, summarize, type Survey } from "@aio-task-pool/testing/Simulator"
import { markdownTable } from "../markdown.ts"
import { cells, columns, percent, surveyAll, terms } from "./families.ts"

const compared = ["adaptive", "dialogue-aimd", "vector-arc", "gradient2"]

/**
 * A policy that does not stop at the limit is rejected up to 100,000 times per second, and a simulated run of 2 hours then
 * takes minutes. No run of `adaptive` settles this many tasks.
 */
const tasks = 4_000_000

const shortened = (family: Family): Family => ({ ...family, draw: (seed) => ({ ...family.draw(seed), tasks }) })

/** Writes docs/autoscale/references.md. `draws` is the number of scenarios of each family, from the seeds held out. */
export const compareFamilies = (draws: number, docs: string): void => {
  const begun = performance.now()
  const seeds = heldOut.slice(0, draws)
  // With few draws the 10th percentile of a family is its worst run.
  const shown = (values: ReadonlyArray<string>): ReadonlyArray<string> =>
    draws < 10 ? values.filter((_, index) => index !== 1) : values
  const surveys = compared.map((name) => ({
    name,
    surveys: surveyAll(
      name,
      references.find((policy) => policy.name === name)!,
      seeds,
      shortened
    )
  }))
  const overall = surveys.map(({ name, surveys }) => {
    const all = summarize(surveys.flatMap(({ findings }) => findings))
    return [`\`${name}\``, ...cells(all), `${Math.round(all.mean.cut * all.findings.length)}`]
  })
  const pairs = families.map(({ id, title }, index) => [
    `${id}: ${title}`,
    ...surveys.map(({ surveys }) => pair(surveys[index]!))
  ])
  const tables = surveys.map(({ name, surveys }) => {
    const rows = families.map(({ id, title }, index) => [`${id}: ${title}`, ...shown(cells(surveys[index]!))])
    return `## \`${name}\`\n\n${markdownTable([["family", ...shown(columns)], ...rows], columns.length + 1)}`
  })
  const text = `# Other policies on the families of servers

\`simulate --others --draws ${draws}\`, ${new Date().toISOString().slice(0, 10)}: ${compared.length} policies on ${families.length} families of ${draws} scenarios each, drawn from the seeds ${seeds[0]} to ${seeds.at(-1)}. Every policy gets the same draws. [More draws of \`adaptive\`](families.md).

${terms}

The simulator contains the formulas of each policy. A run ends after ${tasks.toLocaleString("en-US")} settled tasks, and the best fixed size is then measured over the same time. "cut" is the number of runs that ended so. A policy that does not stop at the limit is rejected tens of thousands of times per second.

${markdownTable([["policy", ...columns, "cut"], ...overall], columns.length + 2)}

## Goodput and failures

${markdownTable([["family", ...surveys.map(({ name }) => `\`${name}\``)], ...pairs], compared.length + 1)}

${tables.join("\n\n")}
`
  writeFileSync(join(docs, "autoscale/references.md"), text)
  console.log(`${text}\n${Math.round((performance.now() - begun) / 1000)} s`)
}

const pair = ({ mean }: Survey): string => `${mean.good.toFixed(3)}, ${percent(mean.errors)}`
