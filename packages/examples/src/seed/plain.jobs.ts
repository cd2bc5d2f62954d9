/**
 * A plain function that blocks its thread. This module imports nothing heavy, because each thread loads it.
 */
import { Job } from "@aio-task-pool/core/Job"

/** Prints that it starts, blocks five times, prints that it is done. */
export const test = Job.define(import.meta, "test", (name: string): string => {
  console.log(`${name} start`)
  for (let i = 0; i < 5; i++) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 20)
  const result = `${name} done`
  console.log(result)
  return `ok:${result}`
})
