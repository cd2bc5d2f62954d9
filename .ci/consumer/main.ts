// A user's program, which runs with the packed packages installed by npm.
import { deepStrictEqual, ok } from "node:assert"
import { AioFixedTaskPoolSimple, TaskPool } from "@aio-task-pool/core"
import { everyStep } from "@aio-task-pool/testing/EveryStep"
import { Effect } from "effect"

const program = Effect.gen(function* () {
  const users = yield* Effect.forEach([1, 2, 3, 4], (id) => TaskPool.submit(Effect.succeed, { args: [`user ${id}`] }), {
    concurrency: "unbounded"
  })
  const { succeeded, targetSize } = yield* TaskPool.stats
  return { users, succeeded, targetSize }
})

deepStrictEqual(await Effect.runPromise(Effect.provide(program, AioFixedTaskPoolSimple.layer(3))), {
  users: ["user 1", "user 2", "user 3", "user 4"],
  succeeded: 4,
  targetSize: 3
})

// The packed testing package runs on the packed core, without a test runner.
const steps = everyStep({
  name: "submit",
  setup: () => AioFixedTaskPoolSimple.make({ size: 1 }),
  subject: (pool) => pool.submit(Effect.yieldNow),
  actors: { another: (pool) => pool.submit(Effect.yieldNow) },
  check: (pool) => pool.awaitIdle
})
const { distinct } = await Effect.runPromise(steps)
ok(distinct > 50)
console.log(`Node ${process.version}: four tasks on three workers, ${distinct} interleavings of submit`)

// The hot path must use the runtime's internal protocol on this Node and this effect, and not the public fallback.
const runtime = new URL("node_modules/@aio-task-pool/core/dist/internal/runtime/probe.js", import.meta.url).href
const { hasKnownRuntime } = (await import(runtime)) as { readonly hasKnownRuntime: boolean }
ok(hasKnownRuntime, "the probe of the packed core rejects this runtime")

await import("./blocking.ts")
await import("./distributed.ts")
