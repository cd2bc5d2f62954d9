import { Executor } from "@aio-task-pool/core"
import { NodeExecutor } from "@aio-task-pool/node"
import { Effect } from "effect"
import { sha256 } from "./hash.jobs.js"

test("a job runs on a thread", async () => {
  const program = Effect.provide(Executor.run(sha256, ["abc"]), NodeExecutor.layer({ threads: 2 }))
  const { digest, thread } = await Effect.runPromise(program)
  expect(digest.slice(0, 8)).toBe("ba7816bf")
  expect(thread).not.toBe(0)
})
