/**
 * Tells executors that are made in a thread whether the thread is only loading a module for its jobs.
 *
 * A thread loads the whole module that a job is in. If that is the program's own file, loading it runs the program
 * again, and the program makes an executor: without this check its threads would load the file in turn, without end.
 *
 * Read by both sides: imports nothing heavy.
 */
import { AsyncLocalStorage } from "node:async_hooks"
import { workerData } from "node:worker_threads"

interface Load {
  readonly url: string
  /** Fails what the module is loaded for and ends the thread; `undefined` when loading is over. */
  stop: ((error: Error) => void) | undefined
}

// The program may bring its own copy of this module, such as a bundle does.
const key = Symbol.for("@aio-task-pool/node/loading")

/** In a thread, before it loads anything: lets executors of this thread find out by whom they are made. */
export const makeLoader = () => {
  const loads = new AsyncLocalStorage<Load>()
  const current = new Set<Load>()
  // What a module leaves running after it was loaded is known by its async context. Where `import` does not hand the
  // context on (Bun), at least what runs while the module is loaded is known.
  ;(globalThis as any)[key] = (): Load | undefined => loads.getStore() ?? [...current].at(-1)
  return async (url: string, stop: (error: Error) => void): Promise<Record<string, unknown>> => {
    const load: Load = { url, stop }
    current.add(load)
    try {
      return await loads.run(load, () => import(/* webpackIgnore: true */ /* @vite-ignore */ url))
    } finally {
      current.delete(load)
      load.stop = undefined
    }
  }
}

/** Throws if the executor that is about to be made belongs to a program that a thread of an executor runs again. */
export const refuseInThread = (): void => {
  const loadOf: (() => Load | undefined) | undefined = (globalThis as any)[key]
  if (loadOf === undefined) {
    if (!isStart(workerData)) return
    throw new Error(
      "NodeExecutor: worker must be the address of @aio-task-pool/node/worker or a copy, not of a program"
    )
  }
  const load = loadOf()
  if (load === undefined) return
  const error = new Error(
    `${load.url} makes an executor when a thread loads it: ` +
      "move its jobs to a module of their own, or guard the program with import.meta.main"
  )
  load.stop?.(error)
  throw error
}

const isStart = (data: any): boolean =>
  typeof data === "object" && data !== null && data.memory instanceof SharedArrayBuffer && Array.isArray(data.preload)
