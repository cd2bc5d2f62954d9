/**
 * Detects executors that a thread makes while it loads a module for its jobs.
 *
 * A thread loads the whole module of a job. If that is the program's own file, loading it runs the program again, and
 * the program makes an executor. Without this check the threads of that executor would load the file again, without
 * end.
 *
 * Both sides load this module, so it imports nothing heavy.
 */
import { AsyncLocalStorage } from "node:async_hooks"
import { type MessagePort, workerData } from "node:worker_threads"
import { encode } from "./errorCodec.ts"
import type { Message } from "./protocol.ts"

interface Load {
  readonly url: string
  /** Fails the jobs that the module is loaded for and ends the thread; `undefined` after loading. */
  stop: ((error: Error) => void) | undefined
}

interface Here {
  /** The number of executors that this thread is nested in. */
  readonly depth: number
  /** Returns the load that the calling code is part of, or that started the calling code. */
  readonly load: () => Load | undefined
}

/** The deepest nesting of executors. Jobs may make their own executors, but not without end. */
const deepest = 4

// A global symbol, because the program may contain its own copy of this module, as a bundle does.
const key = Symbol.for("@aio-task-pool/node/loading")
const here = (): Here | undefined => (globalThis as any)[key]

/** Returns the nesting depth for the threads of an executor that is made here. */
export const depthOfThreads = (): number => (here()?.depth ?? 0) + 1

// Bun's `import` does not propagate the async context, and on Node before 24 the context slows down every promise.
const hasContext = process.versions["bun"] === undefined && Number.parseInt(process.versions.node) >= 24

/**
 * Makes the function by which a thread loads modules, and lets executors detect which code makes them. Called before
 * the thread loads any module. `isBusy` returns whether the thread runs a job.
 */
export const makeLoader = (depth: number, isBusy: () => boolean) => {
  // The async context identifies code that a module leaves running after it was loaded.
  const loads = new AsyncLocalStorage<Load>()
  // Without contexts, code that runs while a module is loaded is attributed to that module, and code between jobs to
  // the last one loaded.
  const current: Array<Load> = []
  let last: Load | undefined
  const load = (): Load | undefined =>
    hasContext ? loads.getStore() : (current.at(-1) ?? (isBusy() ? undefined : last))
  ;(globalThis as any)[key] = { depth, load } satisfies Here
  return async (url: string, stop: (error: Error) => void): Promise<Record<string, unknown>> => {
    const load: Load = { url, stop }
    const begin = (): Promise<Record<string, unknown>> => import(/* webpackIgnore: true */ /* @vite-ignore */ url)
    current.push(load)
    try {
      return await (hasContext ? loads.run(load, begin) : begin())
    } finally {
      current.splice(current.indexOf(load), 1)
      last = load
      load.stop = undefined
    }
  }
}

/** Throws if the executor to be made belongs to a program that a thread runs again by loading it. */
export const refuseInThread = (): void => {
  const thread = here()
  if (thread === undefined) {
    if (!isStart(workerData)) return
    const error = new Error(
      "NodeExecutor: worker must be the address of @aio-task-pool/node/worker or a copy of it, not of a program"
    )
    // The program may catch the error and continue, so the other side is asked to end this thread.
    const { port } = workerData
    port.postMessage({ kind: "unable", cause: encode(error) } satisfies Message)
    throw error
  }
  const load = thread.load()
  if (load !== undefined) {
    const error = new Error(
      `${load.url}, or a module that it imports, makes an executor when a thread loads it: ` +
        "move its jobs to a module of their own, or guard the program with import.meta.main"
    )
    load.stop?.(error)
    throw error
  }
  if (thread.depth >= deepest) {
    throw new Error(`NodeExecutor: jobs must not nest executors more than ${deepest} deep`)
  }
}

const isStart = (data: any): data is { readonly port: MessagePort } =>
  typeof data === "object" && data !== null && data.memory instanceof SharedArrayBuffer && Array.isArray(data.preload)
