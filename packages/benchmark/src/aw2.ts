/** One checkout of `against.ts`: does the work when it is told to, and answers with the processor time of one task. */
import { createRequire } from "node:module"
import { join } from "node:path"
import { pathToFileURL } from "node:url"

const [checkout, work] = process.argv.slice(2) as [string, "tick" | "sync" | "fork" | "makeClose"]
const { resolve } = createRequire(join(checkout, "packages/core/package.json"))
const load = (path: string): Promise<any> => import(pathToFileURL(path).href)
// The types are those of this checkout. The other one must have these operations too.
const { AioFixedTaskPoolSimple, TaskPool }: typeof import("@aio-task-pool/core") = await load(
  join(checkout, "packages/core/src/index.ts")
)
const Effect: typeof import("effect/Effect") = await load(resolve("effect/Effect"))

const layer = AioFixedTaskPoolSimple.layer(10)
const tick = Effect.callback<void>((resume) => {
  setImmediate(() => resume(Effect.void))
})
const task = work === "sync" ? Effect.sync(() => 1) : tick
const batch = Array.from({ length: 2000 }, (_, index) => index)
const batches = work === "sync" ? 50 : 25
const makings = 5000

const submits = Effect.provide(
  Effect.replicateEffect(
    Effect.forEach(batch, () => TaskPool.submit(task), { concurrency: "unbounded", discard: true }),
    batches,
    { discard: true }
  ),
  layer
)
const forks = Effect.provide(
  Effect.replicateEffect(
    Effect.flatMap(
      Effect.forEach(batch, () => TaskPool.fork(task)),
      (handles) => Effect.forEach(handles, (handle) => handle.join, { discard: true })
    ),
    batches,
    { discard: true }
  ),
  layer
)
const makeAndClose = Effect.replicateEffect(Effect.scoped(AioFixedTaskPoolSimple.make()), makings, { discard: true })

const [count, program] =
  work === "makeClose" ? [makings, makeAndClose] : [batches * batch.length, work === "fork" ? forks : submits]

const run = async (): Promise<number> => {
  ;(globalThis as any).gc({ type: "minor" })
  const before = process.cpuUsage(),
    tb = process.threadCpuUsage()
  await Effect.runPromise(program)
  const { system, user } = process.cpuUsage(before)
  const t = process.threadCpuUsage(tb)
  return [(system + user) / count, (t.user + t.system) / count] as any
}

for (let warmUp = 0; warmUp < 5; warmUp++) await run()
process.on("message", () => void run().then((took) => process.send!(took)))
process.send!("ready")
