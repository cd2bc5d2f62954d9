/** Jobs of the executor's tests; loaded by their threads. */
import { Job } from "@aio-task-pool/core/Job"

export const add = Job.define(import.meta, "add", (a: number, b: number) => a + b)
export const noop = Job.define(import.meta, "noop", () => undefined)
export const spin = Job.define(import.meta, "spin", (ms: number) => {
  const end = performance.now() + ms
  while (performance.now() < end);
  return ms
})
export const exit = Job.define(import.meta, "exit", (code: number): number => process.exit(code))
