/**
 * A plain function that blocks its thread. This module loads nothing heavy: each thread loads it too.
 */
import { Job } from "@aio-task-pool/core/Job"

/** Says that it starts, blocks five times, says that it is done. */
export const test = Job.define(import.meta, "test", (name: string): string => {
  console.log(`${name} start`)
  for (let i = 0; i < 5; i++) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 20)
  const result = `${name} done`
  console.log(result)
  return `ok:${result}`
})
