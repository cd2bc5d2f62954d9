/** Jobs that print; loaded by threads. */
import { Job } from "@aio-task-pool/core/Job"

const text = "x".repeat(80)

export const line = Job.define(import.meta, "line", (i: number) => {
  console.log(`${i} ${text}`)
})
export const lines = Job.define(import.meta, "lines", (count: number) => {
  for (let i = 0; i < count; i++) console.log(`${i} ${text}`)
})
