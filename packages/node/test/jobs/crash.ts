/** The ways in which a job can end its thread; loaded by threads. */
import { Job } from "@aio-task-pool/core/Job"

export const spin = Job.define(import.meta, "spin", (milliseconds: number) => {
  const end = performance.now() + milliseconds
  while (performance.now() < end);
})
export const exit = Job.define(import.meta, "exit", (code: number): void => process.exit(code))
export const throwLate = Job.define(
  import.meta,
  "throwLate",
  (): Promise<void> =>
    new Promise(() => {
      setImmediate(() => {
        throw new RangeError("late")
      })
    })
)
export const rejectLate = Job.define(
  import.meta,
  "rejectLate",
  (): Promise<void> =>
    new Promise(() => {
      void Promise.reject(new RangeError("unhandled"))
    })
)
export const exhaust = Job.define(import.meta, "exhaust", (): void => {
  const held: Array<unknown> = []
  for (;;) held.push(Array.from({ length: 1000 }, (_, i) => ({ i })))
})
