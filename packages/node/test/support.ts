/** Watches every worker thread that this thread starts. */
import { subscribe, unsubscribe } from "node:diagnostics_channel"
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
  return { alive, online, stop: () => unsubscribe("worker_threads", listener) }
}
