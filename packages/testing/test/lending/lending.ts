import { assert, it } from "@effect/vitest"
import { bodiesWith, type Body, full, printBody, reduced } from "./bodies.ts"
import { runBody, type Setting } from "./run.ts"

/** Every task with up to two nested ones, and those with three that only yield and succeed. */
const bodies: ReadonlyArray<Body> = [
  ...[0, 1, 2].flatMap((count) => bodiesWith(count, full)),
  ...bodiesWith(3, reduced)
]

const queues: ReadonlyArray<Pick<Setting, "capacity" | "onFull">> = [
  { capacity: 0, onFull: "suspend" },
  { capacity: 0, onFull: "fail" },
  { capacity: 1, onFull: "suspend" },
  { capacity: 1, onFull: "fail" },
  { capacity: undefined, onFull: "suspend" }
]

const settings = (pools: 1 | 2): ReadonlyArray<Setting> =>
  ([1, 2] as const).flatMap((size) =>
    queues.flatMap((queue) =>
      (["fifo", "lifo", "priority"] as const).flatMap((discipline) =>
        [0, 3].map((crowd) => ({
          ...queue,
          discipline,
          size,
          crowd: crowd * pools,
          pools,
          budget: crowd === 0 ? 2048 : 3
        }))
      )
    )
  )

const sentences = {
  1: "every small task that waits for its own pool ends, as it should, within the limit (I1, I2, I3, I8, I9)",
  2: "every small task of two pools that wait for each other ends, as it should, within the limit of both"
} as const

/** Registers every `sparse`th run of all small tasks in all small pools, or pairs of pools. */
export const everySmallTask = (pools: 1 | 2, sparse: number): void =>
  it.each([sentences[pools]])("%s", () => {
    let [runs, steps, longest, at] = [0, 0, 0, 0]
    const all = settings(pools)
    for (const body of bodies) {
      for (const setting of all) {
        if (at++ % sparse > 0) continue
        const ran = runBody(body, setting)
        if (ran.broken !== undefined) assert.fail(`${ran.broken}\n${JSON.stringify(setting)}\n${printBody(body)}`)
        runs++
        steps += ran.steps
        longest = Math.max(longest, ran.steps)
      }
    }
    console.log(
      `lending, ${pools === 1 ? "one pool" : "two pools"}: ${bodies.length} tasks in ${all.length} settings, ` +
        `${runs} runs, ${steps} steps, the longest run ${longest}`
    )
    assert.strictEqual(runs, Math.ceil((bodies.length * all.length) / sparse))
  })
