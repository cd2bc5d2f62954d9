/** The command line of the simulator: `pnpm simulate --help` prints its options. */
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { parseArgs } from "node:util"
import type { AutoScalePolicy } from "@aio-task-pool/core"
import {
  contendedThroughput,
  families,
  hour,
  judge,
  type Judgement,
  missed,
  play,
  random,
  references,
  type Scenario,
  scenarios,
  twoPools,
  worst
} from "@aio-task-pool/testing/Simulator"
import { markdownTable } from "../markdown.ts"
import { acceptFamilies, percent } from "./families.ts"
import { drawAll } from "./pictures.ts"
import { plot } from "./plot.ts"
import { compareFamilies } from "./references.ts"

type Policy = AutoScalePolicy.AutoScalePolicy<any>

const docs = join(import.meta.dirname, "../../../../docs")
const folder = join(docs, "autoscale")

const usage = `simulate [options]

Without options it plays all scenarios with all policies on one seed, and prints the comparison.

  --accept      judges \`adaptive\` by every threshold on 20 seeds, writes docs/autoscale/acceptance.md, does what
                --families does, and ends with 1 if a threshold is missed
  --families    judges \`adaptive\` by all families, writes families.md, and writes its figures into the guide
  --others      writes references.md: the families with dialogue's AIMD, Vector's policy and Gradient2
  --draws 24    for --others: 24 scenarios of each family, default 4
  --svg         draws every picture of the documents, and writes servers.md; with --scenario only these
  --seeds 5     the number of seeds
  --scenario A1,stalls-3003    the scenarios, of a family with their seeds
  --policy adaptive,vegas      the policies
  --help        prints this`

const options = {
  accept: { type: "boolean", default: false },
  families: { type: "boolean", default: false },
  others: { type: "boolean", default: false },
  draws: { type: "string", default: "4" },
  svg: { type: "boolean", default: false },
  seeds: { type: "string" },
  scenario: { type: "string" },
  policy: { type: "string" },
  help: { type: "boolean", short: "h", default: false }
} as const

const valuesOf = () => {
  try {
    return parseArgs({ options }).values
  } catch (cause) {
    console.error(`${(cause as Error).message}\n\n${usage}`)
    return process.exit(1)
  }
}
const values = valuesOf()
if (values.help) {
  console.log(usage)
  process.exit()
}

const listed = values.scenario?.split(",")
const drawn = (listed ?? []).flatMap((id) => {
  const [name, seed] = id.split("-")
  const family = families.find((each) => each.id === name)
  return family === undefined || seed === undefined ? [] : [family.draw(Number(seed))]
})
const chosen = [...drawn, ...scenarios, contendedThroughput, twoPools, hour].filter((scenario) =>
  listed === undefined ? scenario !== hour : listed.some((id) => scenario.id === id)
)
const policies = references.filter((policy) => values.policy?.split(",").includes(policy.name) ?? true)
const seedsOf = (otherwise: number): ReadonlyArray<number> =>
  Array.from({ length: Number(values.seeds ?? otherwise) }, (_, i) => i + 1)

const limits = (numbers: ReadonlyArray<number> | undefined): string => numbers?.join("/") ?? ""

const judged = (scenario: Scenario, policy: Policy, seeds: ReadonlyArray<number>): ReadonlyArray<Judgement> =>
  seeds.map((seed) => judge(scenario, play(scenario, scenario.policy ?? policy, seed)))

const average = (numbers: ReadonlyArray<number>): number => numbers.reduce((a, b) => a + b, 0) / numbers.length

/** Every threshold, worst of the seeds. */
const accept = (policy: Policy): boolean => {
  const seeds = seedsOf(20)
  const rows = [["scenario", "goodput", "mean", "errors", "over-drive", "p99", "converges, s", "safe, s", "missed"]]
  let passed = true
  for (const scenario of values.scenario === undefined ? [...chosen, hour] : chosen) {
    const runs = judged(scenario, policy, scenario === hour ? seeds.slice(0, 3) : seeds)
    const result = worst(runs)
    const wrong = missed(scenario, result)
    const { thresholds } = scenario
    const beside = (value: string, limit: string | undefined): string =>
      limit === undefined || limit === "" ? value : `${value} [${limit}]`
    rows.push([
      `${scenario.id} ${scenario.title}`,
      beside(result.good.toFixed(3), String(thresholds.good)),
      average(runs.map((run) => run.good)).toFixed(3),
      beside(percent(result.errors), thresholds.errors === undefined ? "" : percent(thresholds.errors)),
      beside(result.over.toFixed(2), thresholds.over?.toString()),
      beside(result.p99.toFixed(2), thresholds.p99?.toString()),
      thresholds.converges === undefined ? "" : beside(limits(result.converges), limits(thresholds.converges)),
      thresholds.safe === undefined ? "" : beside(limits(result.safe), limits(thresholds.safe)),
      wrong.join(", ")
    ])
    if (wrong.length > 0) passed = false
    console.log(`${scenario.id} ${wrong.length === 0 ? "holds" : `misses ${wrong.join(", ")}`}`)
  }
  const draws = Array.from({ length: 60 }, (_, i) => {
    const scenario = random(i + 1)
    return judge(scenario, play(scenario, policy, 1))
  })
  const sorted = draws.map((run) => run.good).toSorted((a, b) => a - b)
  const [goodput, tenth] = [average(sorted), sorted[6]!]
  const [errors, over] = [average(draws.map((run) => run.errors)), average(draws.map((run) => run.over))]
  if (goodput < 0.95 || tenth < 0.87 || errors > 0.003 || over > 0.4) passed = false
  const text = `# Acceptance

\`simulate --accept\`, ${new Date().toISOString().slice(0, 10)}: the policy \`${policy.name}\`, worst of ${seeds.length} seeds (one hour: of 3), thresholds in brackets. Goodput, over-drive and p99 are relative to the best fixed sizes; for a batch goodput is the ratio of makespans. "converges": seconds until 0.9 of the oracle's goodput, by phase; "safe": seconds until no more than 1.5 times the best size is in flight.

${markdownTable(rows, rows[0]!.length)}

60 scenarios drawn at random, one seed: goodput ${goodput.toFixed(3)} [0.95] on average, ${tenth.toFixed(3)} [0.87] at the 10th percentile; errors ${percent(errors)} [0.30 %]; over-drive ${over.toFixed(2)} [0.4].
`
  if (values.scenario === undefined) {
    writeFileSync(join(folder, "acceptance.md"), text)
  }
  console.log(text)
  return passed
}

/** All policies beside each other. */
const compare = (): void => {
  const seeds = seedsOf(1)
  const rows = [["policy", "goodput", "errors", "over-drive"]]
  for (const policy of policies) {
    const runs = chosen
      .filter((scenario) => scenario.policy === undefined)
      .flatMap((scenario) => judged(scenario, policy, seeds))
    rows.push([
      policy.name,
      average(runs.map((run) => run.good)).toFixed(3),
      percent(average(runs.map((run) => run.errors))),
      average(runs.map((run) => run.over)).toFixed(2)
    ])
  }
  console.log(markdownTable(rows, 1))
}

/** Draws the chosen scenarios. */
const draw = (): void => {
  for (const scenario of chosen) {
    for (const policy of values.policy === undefined ? [references[0]!] : policies) {
      const name = policy === references[0] ? scenario.id : `${scenario.id}-${policy.name}`
      const title = `${scenario.id}: ${scenario.title}${policy === references[0] ? "" : `, ${policy.name}`}`
      writeFileSync(
        join(folder, `${name}.svg`),
        plot(title, scenario, play(scenario, policy, Number(scenario.id.split("-")[1] ?? 1)))
      )
      console.log(join("docs/autoscale", `${name}.svg`))
    }
  }
}

if (values.svg && listed === undefined) drawAll(policies[0]!, folder)
else if (values.svg) draw()
else if (values.others) compareFamilies(Number(values.draws), docs)
else if (values.families) process.exitCode = acceptFamilies(policies[0]!, docs) ? 0 : 1
else if (values.accept) {
  const named = accept(policies[0]!)
  process.exitCode = (values.scenario !== undefined || acceptFamilies(policies[0]!, docs)) && named ? 0 : 1
} else compare()
