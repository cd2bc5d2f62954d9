/** The jobs of the fuzz test: each counts its run in shared memory before it does anything else. */
import { Job } from "@aio-task-pool/core/Job"

const spin = (milliseconds: number): void => {
  const end = performance.now() + milliseconds
  while (performance.now() < end);
}

export const quick = Job.define(import.meta, "quick", (cells: Int32Array, i: number) => {
  Atomics.add(cells, i, 1)
  return i
})
export const slow = Job.define(import.meta, "slow", (cells: Int32Array, i: number, milliseconds: number) => {
  Atomics.add(cells, i, 1)
  spin(milliseconds)
  return i
})
export const later = Job.define(import.meta, "later", async (cells: Int32Array, i: number) => {
  Atomics.add(cells, i, 1)
  await Promise.resolve()
  return i
})
export const large = Job.define(import.meta, "large", (cells: Int32Array, i: number) => {
  Atomics.add(cells, i, 1)
  return { i, text: "x".repeat(5000) }
})
export const throwing = Job.define(import.meta, "throwing", (cells: Int32Array, i: number): number => {
  Atomics.add(cells, i, 1)
  throw new Error(`${i}`)
})
export const uncloneable = Job.define(import.meta, "uncloneable", (cells: Int32Array, i: number): any => {
  Atomics.add(cells, i, 1)
  return () => i
})
export const exiting = Job.define(import.meta, "exiting", (cells: Int32Array, i: number): number => {
  Atomics.add(cells, i, 1)
  process.exit(1)
})
export const rejecting = Job.define(import.meta, "rejecting", (cells: Int32Array, i: number): number => {
  Atomics.add(cells, i, 1)
  void Promise.reject(new Error(`${i}`))
  return i
})

// The ones above share their memory as an argument, which takes the port; these stay in their slots.
let cells: Int32Array
export const give = Job.define(import.meta, "give", (shared: Int32Array) => {
  cells = shared
})
export const inSlot = Job.define(import.meta, "inSlot", (i: number) => {
  // A thread that was started since has not been given the memory.
  if (cells !== undefined) Atomics.add(cells, i, 1)
  return i
})
