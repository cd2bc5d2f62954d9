/** Watches every worker thread that this thread starts. */
import { subscribe, unsubscribe } from "node:diagnostics_channel"
import { setTimeout } from "node:timers/promises"
import type { Worker } from "node:worker_threads"

export const watchThreads = () => {
  const alive = new Set<Worker>()
  const online = new Set<Worker>()
  const listener = (message: unknown) => {
    const { worker } = message as { readonly worker: Worker }
    alive.add(worker)
    worker.once("online", () => online.add(worker))
    worker.once("exit", () => {
      alive.delete(worker)
      online.delete(worker)
    })
  }
  subscribe("worker_threads", listener)
  /** Waits until all threads have exited: a closed executor ends them, and how soon they are gone is up to the machine. */
  const gone = async () => {
    while (alive.size > 0) await setTimeout(1)
  }
  return { alive, online, gone, stop: () => unsubscribe("worker_threads", listener) }
}

/** Numbers in [0, 1) that a seed determines (mulberry32). */
export const randomOf = (seed: number): (() => number) => {
  let state = seed | 0
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
}
