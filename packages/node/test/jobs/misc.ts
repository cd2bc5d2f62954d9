/** Jobs of the tests of `NodeExecutor`; loaded by their threads. */
import { Job } from "@aio-task-pool/core/Job"
import { closeSync, openSync } from "node:fs"
import { syncBuiltinESMExports } from "node:module"
import timers from "node:timers"
import { threadId, workerData } from "node:worker_threads"

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

/** Ends its thread when the thread has no job any more. */
export const leaveRejection = Job.define(import.meta, "leaveRejection", () => {
  void Promise.reject(new RangeError("left behind"))
})

/** Says that it has begun, and stands still in native code, which cannot be interrupted, until somebody writes there. */
export const stick = Job.define(import.meta, "stick", (cells: Int32Array, fifo: string) => {
  Atomics.add(cells, 0, 1)
  Atomics.notify(cells, 0)
  closeSync(openSync(fifo, "r"))
})

/** Does harm to what it can reach of its thread. */
export const harm = Job.define(import.meta, "harm", (): ReadonlyArray<string> => {
  const keys = Object.keys(workerData ?? {})
  for (const key of keys) workerData[key]?.close?.()
  performance.now = () => 0
  process.exit = (() => undefined) as never
  return keys
})

/** Leaves a timer behind, and counts in shared memory how often anybody sets another one. */
export const leaveCountedTimer = Job.define(import.meta, "leaveCountedTimer", (cells: Int32Array) => {
  const { setTimeout } = timers
  timers.setTimeout = ((...args: Parameters<typeof setTimeout>) => {
    Atomics.add(cells, 0, 1)
    return setTimeout(...args)
  }) as typeof setTimeout
  syncBuiltinESMExports()
  setInterval(() => undefined, 3_600_000)
})
