/**
 * Tells executors that are made in a thread whether the thread is only loading a module for its jobs.
 *
 * A thread loads the whole module that a job is in. If that is the program's own file, loading it runs the program
 * again, and the program makes an executor: without this check its threads would load the file in turn, without end.
 *
 * Read by both sides: imports nothing heavy.
 */
import { AsyncLocalStorage } from "node:async_hooks"
import { type MessagePort, workerData } from "node:worker_threads"
import { encode } from "./errorCodec.ts"
import type { Message } from "./protocol.ts"

interface Load {
  readonly url: string
  /** Fails what the module is loaded for and ends the thread; `undefined` when loading is over. */
  stop: ((error: Error) => void) | undefined
}

interface Here {
  /** How many executors this thread is inside of. */
  readonly depth: number
  /** The load that the calling code is a part of, or was left running by. */
  readonly load: () => Load | undefined
}

/** How many executors may be inside of each other: jobs may make their own, but not without end. */
const deepest = 4

// The program may bring its own copy of this module, as a bundle does.
const key = Symbol.for("@aio-task-pool/node/loading")
const here = (): Here | undefined => (globalThis as any)[key]

/** How many executors the threads of an executor that is made here are inside of. */
export const depthOfThreads = (): number => (here()?.depth ?? 0) + 1

// Bun's `import` does not hand the async context on, and on Node before 24 every promise of the thread would pay for it.
const hasContext = process.versions["bun"] === undefined && Number.parseInt(process.versions.node) >= 24

/**
 * In a thread, before it loads anything: lets executors of this thread find out what code makes them. `isBusy` says
 * whether the thread runs a job.
 */
export const makeLoader = (depth: number, isBusy: () => boolean) => {
  // What a module leaves running after it was loaded is known by its async context.
  const loads = new AsyncLocalStorage<Load>()
  // Without contexts, what runs while a module is loaded belongs to that module, and what runs between jobs to the last.
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

/** Throws if the executor that is about to be made belongs to a program that a thread of an executor runs again. */
export const refuseInThread = (): void => {
  const thread = here()
  if (thread === undefined) {
    if (!isStart(workerData)) return
    const error = new Error(
      "NodeExecutor: worker must be the address of @aio-task-pool/node/worker or a copy, not of a program"
    )
    // The program may go on in spite of the error: then the other side ends this thread.
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
