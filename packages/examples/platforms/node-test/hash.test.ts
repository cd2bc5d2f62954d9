import { Executor } from "@aio-task-pool/core"
import { NodeExecutor } from "@aio-task-pool/node"
import { Effect } from "effect"
import assert from "node:assert/strict"
import { test } from "node:test"
import { sha256 } from "./hash.jobs.ts"

test("a job runs on a thread", async () => {
  const program = Effect.provide(Executor.run(sha256, ["abc"]), NodeExecutor.layer({ threads: 2 }))
  const { digest, thread } = await Effect.runPromise(program)
  assert.equal(digest.slice(0, 8), "ba7816bf")
  assert.notEqual(thread, 0)
})
