/** Processes that a benchmark starts: workers, and submitters that only read events. */
import { Effect, type Scope } from "effect"
import { type ChildProcess, fork } from "node:child_process"
import { fileURLToPath } from "node:url"
import type { SoakRun } from "./soakRecord.ts"

const workerFile = fileURLToPath(new URL("./worker.ts", import.meta.url))

/** A worker process, which ends with the scope. */
export const spawn = (config: object): Effect.Effect<WorkerProcess, never, Scope.Scope> =>
  Effect.gen(function* () {
    const child = yield* Effect.acquireRelease(
      Effect.sync(() => fork(workerFile, [], { env: { ...process.env, BENCHMARK: JSON.stringify(config) } })),
      (child) => Effect.sync(() => void child.kill("SIGKILL"))
    )
    const one = new WorkerProcess(child)
    yield* one.told("ready")
    return one
  })

export class WorkerProcess {
  readonly child: ChildProcess
  onRun: ((run: SoakRun) => void) | undefined
  private readonly heard = new Map<string, number>()
  private readonly watchers = new Map<string, () => void>()

  constructor(child: ChildProcess) {
    this.child = child
    child.on("message", (message: string | SoakRun) => {
      if (typeof message !== "string") return this.onRun?.(message)
      this.heard.set(message, performance.now())
      this.watchers.get(message)?.()
    })
  }

  /** Waits until the process has told something, and returns when. */
  told(message: string): Effect.Effect<number> {
    return Effect.callback((resume) => {
      const check = () => {
        const at = this.heard.get(message)
        if (at !== undefined) resume(Effect.succeed(at))
      }
      this.watchers.set(message, check)
      check()
    })
  }
}
