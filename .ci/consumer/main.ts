// A user's program: runs where the packed packages were installed with npm.
import { strictEqual } from "node:assert"
import { AioFixedTaskPoolSimple, TaskPool } from "@aio-task-pool/core"
import { Effect } from "effect"

const program = Effect.gen(function* () {
  const users = yield* Effect.forEach([1, 2, 3, 4], (id) => TaskPool.submit(Effect.succeed, { args: [`user ${id}`] }), {
    concurrency: "unbounded"
  })
  return { users, stats: yield* TaskPool.stats }
})

const { stats, users } = await Effect.runPromise(Effect.provide(program, AioFixedTaskPoolSimple.layer(3)))
strictEqual(users.join(), "user 1,user 2,user 3,user 4")
strictEqual(stats.succeeded, 4)
strictEqual(stats.targetSize, 3)
console.log(`Node ${process.version}: ${stats.succeeded} tasks on ${stats.targetSize} workers`)
