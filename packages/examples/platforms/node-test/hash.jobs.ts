import { Job } from "@aio-task-pool/core/Job"
import { createHash } from "node:crypto"
import { threadId } from "node:worker_threads"

export const sha256 = Job.define(import.meta, "sha256", (text: string) => ({
  digest: createHash("sha256").update(text).digest("hex"),
  thread: threadId
}))
