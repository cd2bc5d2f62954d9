/** The jobs that all executors run on their threads. */
import { Job } from "@aio-task-pool/core/Job"

export const noop = Job.define(import.meta, "noop", (n: number) => n)

export const spin = Job.define(import.meta, "spin", (milliseconds: number) => {
  const end = performance.now() + milliseconds
  while (performance.now() < end);
  return milliseconds
})

/** Transfers the buffer back. */
export const transferred = Job.define(import.meta, "transferred", (bytes: Uint8Array) =>
  Job.transfer(bytes, [bytes.buffer])
)

export const shared = Job.define(import.meta, "shared", (bytes: Uint8Array) => bytes[0])

export const hang = Job.define(import.meta, "hang", (cells: Int32Array): void => {
  Atomics.store(cells, 0, 1)
  Atomics.notify(cells, 0)
  for (;;);
})
