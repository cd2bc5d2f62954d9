/** One checkout of `against.ts`: does the work when it is told to, and answers with the processor time of one task. */
import type { TaskPool as Pool } from "@aio-task-pool/core"
import type { Effect as EffectOf } from "effect/Effect"
import { createRequire } from "node:module"
import { join } from "node:path"
import { pathToFileURL } from "node:url"
import { type Program, usedBy } from "./againstPrograms.ts"
import { allocateGarbage } from "./pairs.ts"

const [checkout, work] = process.argv.slice(2) as [string, Program]
const { resolve } = createRequire(join(checkout, "packages/core/package.json"))
const load = (path: string): Promise<any> => import(pathToFileURL(path).href)
// The types are those of this checkout. The other one must have these operations too.
const { AioFixedTaskPoolSimple, TaskPool }: typeof import("@aio-task-pool/core") = await load(
  join(checkout, "packages/core/src/index.ts")
)
const Effect: typeof import("effect/Effect") = await load(resolve("effect/Effect"))

const { pool, task: optionsOf } = usedBy(work)
const layer = AioFixedTaskPoolSimple.layer(10, pool)
const tick = Effect.callback<void>((resume) => {
  setImmediate(() => resume(Effect.void))
})
const task = work === "sync" ? Effect.sync(() => 1) : tick
const size = 2000
const batches = work === "sync" ? 50 : 25
const makings = 5000

/** Runs the tasks of each batch before the next one. Each task has another number. */
const inBatches = (run: (items: ReadonlyArray<number>) => EffectOf<unknown, unknown, Pool>) => {
  const all = Array.from({ length: batches }, (_, batch) => Array.from({ length: size }, (_, i) => batch * size + i))
  return Effect.provide(Effect.forEach(all, run, { discard: true }), layer)
}
const allAtOnce = { concurrency: "unbounded", discard: true } as const

const programs = {
  submit: inBatches((items) =>
    Effect.forEach(
      items,
      optionsOf === undefined ? () => TaskPool.submit(task) : (item) => TaskPool.submit(task, optionsOf(item)),
      allAtOnce
    )
  ),
  fork: inBatches((items) =>
    Effect.flatMap(
      Effect.forEach(items, () => TaskPool.fork(task)),
      (handles) => Effect.forEach(handles, (handle) => handle.join, { discard: true })
    )
  ),
  forEach: inBatches((items) => TaskPool.forEach(items, () => task, { discard: true })),
  makeClose: Effect.replicateEffect(Effect.scoped(AioFixedTaskPoolSimple.make()), makings, { discard: true })
}

const program = work === "fork" || work === "forEach" || work === "makeClose" ? programs[work] : programs.submit
const count = work === "makeClose" ? makings : batches * size

const run = async (): Promise<number> => {
  ;(globalThis as any).gc({ type: "minor" })
  allocateGarbage()
  const before = process.cpuUsage()
  await Effect.runPromise(program)
  const { system, user } = process.cpuUsage(before)
  return (system + user) / count
}

for (let warmUp = 0; warmUp < 5; warmUp++) await run()
process.on("message", () => void run().then((took) => process.send!(took)))
process.send!("ready")
