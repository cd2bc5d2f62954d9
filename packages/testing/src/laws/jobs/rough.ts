/** Jobs that hold up their thread or end it; only for executors whose jobs run on threads. */
import { Job } from "@aio-task-pool/core/Job"

/** Says that it has begun, then never ends. */
export const hang = Job.define(import.meta, "hang", (cells: Int32Array): void => {
  begin(cells)
  for (;;);
})

/** Says that it has begun, and waits until it is let go. */
export const wait = Job.define(import.meta, "wait", (cells: Int32Array): string => {
  begin(cells)
  Atomics.wait(cells, 1, 0)
  return "let go"
})

/** Hangs when it is told to, and ends at once otherwise: nothing tells the two apart from outside. */
export const maybeHang = Job.define(import.meta, "maybeHang", (n: number, cells: Int32Array): number => {
  if (n >= 0) return n
  begin(cells)
  for (;;);
})

/** Says that it has begun, and computes until it is let go. */
export const compute = Job.define(import.meta, "compute", (cells: Int32Array): void => {
  begin(cells)
  while (Atomics.load(cells, 1) === 0);
})

/** Says that it has begun and waits when it is told to, and ends at once otherwise. */
export const maybeWait = Job.define(import.meta, "maybeWait", (n: number, cells: Int32Array): number => {
  if (n >= 0) return n
  begin(cells)
  Atomics.wait(cells, 1, 0)
  return n
})

/** Computes for some time. */
export const spin = Job.define(import.meta, "spin", (milliseconds: number): number => {
  const end = performance.now() + milliseconds
  while (performance.now() < end);
  return milliseconds
})

export const exit = Job.define(import.meta, "exit", (code: number): number => process.exit(code))

export const exitAfterBegin = Job.define(import.meta, "exitAfterBegin", (cells: Int32Array): void => {
  begin(cells)
  Atomics.wait(cells, 1, 0)
  process.exit(1)
})

export const throwLater = Job.define(
  import.meta,
  "throwLater",
  (): Promise<number> =>
    new Promise(() => {
      setImmediate(() => {
        throw new RangeError("late")
      })
    })
)

export const rejectLater = Job.define(
  import.meta,
  "rejectLater",
  (): Promise<number> =>
    new Promise(() => {
      void Promise.reject(new RangeError("unhandled"))
    })
)

/** Ends well, and leaves behind what ends its thread. */
export const leaveRejection = Job.define(import.meta, "leaveRejection", (): string => {
  void Promise.reject(new RangeError("left behind"))
  return "fine"
})

/** Ends well, and leaves behind a timer that says so in shared memory. */
export const leaveTimer = Job.define(import.meta, "leaveTimer", (cells: Int32Array, milliseconds: number): string => {
  setTimeout(() => begin(cells), milliseconds)
  return "fine"
})

export const exhaustMemory = Job.define(import.meta, "exhaustMemory", (): number => {
  const held: Array<unknown> = []
  for (;;) held.push(Array.from({ length: 1000 }, (_, i) => ({ i })))
})

const begin = (cells: Int32Array): void => {
  Atomics.store(cells, 0, 1)
  Atomics.notify(cells, 0)
}
