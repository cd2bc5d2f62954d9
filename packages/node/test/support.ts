import { spawn } from "node:child_process"
import { subscribe, unsubscribe } from "node:diagnostics_channel"
import { PassThrough } from "node:stream"
import { text } from "node:stream/consumers"
import { fileURLToPath } from "node:url"
import type { Worker } from "node:worker_threads"

/** Watches every worker thread that this thread starts. */
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

interface Ended {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** Runs a program of `test/programs` in a process of its own, which must end by itself. */
export const run = (program: string, args: ReadonlyArray<string> = [], pause = 0): Promise<Ended> =>
  runNode([fileURLToPath(new URL(`./programs/${program}`, import.meta.url)), ...args], pause)

/** Runs Node; what it prints is read after a pause, in milliseconds. */
export const runNode = async (args: ReadonlyArray<string>, pause = 0): Promise<Ended> => {
  const child = spawn(process.execPath, args, { cwd: import.meta.dirname, timeout: 5 * 60_000 })
  const ended = new Promise<number | null>((resolve) => child.once("exit", resolve))
  // When a process exits, Node drops the output that no stream takes.
  const outputs = [child.stdout, child.stderr].map((output) => output.pipe(new PassThrough()))
  await new Promise((resolve) => setTimeout(resolve, pause))
  const [[stdout, stderr], code] = await Promise.all([Promise.all(outputs.map(text)), ended])
  return { code, stdout: stdout!, stderr: stderr! }
}
