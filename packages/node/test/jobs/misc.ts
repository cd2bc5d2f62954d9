/** Jobs of the tests of `NodeExecutor`; loaded by their threads. */
import { Job } from "@aio-task-pool/core/Job"
import { threadId } from "node:worker_threads"

export const whereAmI = Job.define(import.meta, "whereAmI", () => threadId)
export const environment = Job.define(import.meta, "environment", (name: string) => process.env[name])
export const arguments_ = Job.define(import.meta, "arguments_", () => process.execArgv)
export const print = Job.define(import.meta, "print", (lines: number) => {
  for (let i = 0; i < lines; i++) console.log(`line ${i}`)
  console.error("to stderr")
  return lines
})
export const spin = Job.define(import.meta, "spin", (milliseconds: number) => {
  const end = performance.now() + milliseconds
  while (performance.now() < end);
  return milliseconds
})
export const hang = Job.define(import.meta, "hang", (): void => {
  for (;;);
})
export const uses = Job.define(import.meta, "uses", () => loaded)

let loaded = 0
export const load = Job.define(import.meta, "load", () => ++loaded)
