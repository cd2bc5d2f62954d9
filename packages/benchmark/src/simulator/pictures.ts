/**
 * Every picture of the documents: the named scenarios that the guide shows, and one run of each family, with the page that
 * shows them.
 */
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import type { AutoScalePolicy } from "@aio-task-pool/core"
import {
  families,
  type Finding,
  heldOut,
  play,
  type Scenario,
  scenarios,
  summarize
} from "@aio-task-pool/testing/Simulator"
import { percent, surveyAll } from "./families.ts"
import { plot } from "./plot.ts"

type Policy = AutoScalePolicy.AutoScalePolicy<any>

const named = ["A1", "B1", "C3", "E3", "E4", "G1"]

/** Draws all pictures, and writes docs/autoscale/servers.md. */
export const drawAll = (policy: Policy, folder: string): void => {
  const write = (name: string, text: string): void => {
    writeFileSync(join(folder, name), text)
    console.log(`docs/autoscale/${name} (${(text.length / 1000).toFixed(0)} kB)`)
  }
  for (const scenario of scenarios.filter(({ id }) => named.includes(id))) {
    write(`${scenario.id}.svg`, plot(`${scenario.id}: ${scenario.title}`, scenario, play(scenario, policy, 1)))
  }
  const surveys = surveyAll("choosing", policy, heldOut)
  const sections = families.map(({ draw, id, title }, index) => {
    const { findings, p10 } = surveys[index]!
    const chosen = findings.findIndex(({ good }) => good === p10)
    const seed = heldOut[chosen]!
    const scenario = draw(seed)
    const heading = `${title[0]!.toUpperCase()}${title.slice(1)}`
    write(`${id}.svg`, plot(heading, scenario, play(scenario, policy, seed)))
    return `## ${id}

${heading}. ${describe(scenario)}

${caption(seed, findings[chosen]!)}

![${title}](${id}.svg)`
  })
  const all = summarize(surveys.flatMap(({ findings }) => findings))
  write(
    "servers.md",
    `# A picture of each kind of server

\`simulate --svg\`, ${new Date().toISOString().slice(0, 10)}: the policy \`${policy.name}\` on one server of each family. Each family has ${heldOut.length} draws on which nothing was tuned. Over all of them the goodput is ${all.mean.good.toFixed(3)} ([the table](families.md)). A picture shows the draw at the worst tenth of its family, so most runs are better. \`simulate --svg --scenario stalls-3003\` draws another one.

- **size**: the workers of the pool. **in flight**: the tasks that run. **best size**: the best fixed number of workers. **rejects beyond**: the number of tasks at which the server rejects further ones.
- **base**: the run time that the policy takes for the one of a calm server.
- **offered**: the tasks that arrive. **granted**: the rate of a limiter. **failed**: rejections and timeouts.

${sections.join("\n\n")}
`
  )
}

const describe = ({ load, pools = 1 }: Scenario): string =>
  load.kind === "open"
    ? "Tasks arrive at the offered rate."
    : pools > 1
      ? `Each of ${pools} pools always has a next task.`
      : "There is always a next task."

const caption = (seed: number, { errors, good, over }: Finding): string =>
  `Draw ${seed}: goodput ${good.toFixed(3)}, failures ${percent(errors)}, over-drive ${over.toFixed(2)}.`
