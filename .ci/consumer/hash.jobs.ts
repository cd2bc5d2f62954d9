// A user's module of jobs, loaded by the worker threads.
import { createHash } from "node:crypto"
import { Job } from "@aio-task-pool/core/Job"

export const sha256 = Job.define(import.meta, "sha256", (text: string) =>
  createHash("sha256").update(text).digest("hex")
)
export const exit = Job.define(import.meta, "exit", (code: number): number => process.exit(code))
