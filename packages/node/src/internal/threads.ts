/**
 * The machine of the worker-thread executor: which job runs on which thread, and what happens when one of them ends.
 *
 * A job's life, and who moves it on:
 *
 * | from \ to | Waiting                          | on a thread (posted) | Settled                                           |
 * |-----------|----------------------------------|----------------------|---------------------------------------------------|
 * | new       | `start`, no thread may take it   | `start`              | `start`: closed, or an argument cannot be copied  |
 * | Waiting   |                                  | `dispatch`           | `cancel`, `close`, no thread can be started       |
 * | posted    | revoked: its thread died, is     |                      | its answer; `cancel`; `close`; its thread died    |
 * |           | ended, or is held up             |                      | after it had begun                                |
 *
 * A thread's life:
 *
 * | from \ to | Ready            | Retiring                        | Gone                                            |
 * |-----------|------------------|---------------------------------|-------------------------------------------------|
 * | Starting  | its ready answer |                                 | exits, or is not ready in time                  |
 * | Ready     |                  | its replacement is ready        | exits; terminated because its job was cancelled |
 * | Retiring  |                  |                                 | as Ready; terminated when its last job is done  |
 *
 * Invariants:
 *
 * - T1 Every call is answered exactly once, or cancelled. The answer is told only after the state here is in order,
 *   because telling it runs the caller's code, which may call `start` and `cancel` again.
 * - T2 A job that has begun is never posted again. Both sides agree on "begun" by one compare-and-swap (`protocol.ts`).
 * - T3 Before a thread is given up, by either side, the answers it has given are taken in; only then is the job that has
 *   begun failed, and those behind it go back to the front of the waiting list in their order.
 * - T4 No more than `size` threads hold jobs; the others are spare. A waiting job and a free thread never coexist.
 * - T5 Jobs are posted behind others only while all they are expected to take stays within `budget`. A thread that runs
 *   out of work takes over a part of what waits on another one; what is held up behind a job for longer than `patience`
 *   is revoked and goes to whoever is free first.
 * - T6 Process exit: threads, ports and timers are referenced exactly while a caller waits for an answer.
 * - T7 A thread that ends without having begun a job counts as a failed start. Each one in a row doubles the wait before
 *   the next attempt, until a new thread begins its first job; after `attempts` of them, and with no thread left, waiting
 *   jobs fail instead of waiting for ever.
 *
 * Time here is the threads' own, not `Clock`: real threads do not stand still under a test clock.
 */
import {
  type ExecutorCall,
  ExecutorClosed,
  type ExecutorError,
  type ExecutorStats,
  WorkerCrashed
} from "@aio-task-pool/core"
import * as Exit from "effect/Exit"
import { clearTimeout, setImmediate, setTimeout } from "node:timers"
import { MessageChannel, type ResourceLimits, Worker } from "node:worker_threads"
import { depthOfThreads, refuseInThread } from "./loading.ts"
import * as protocol from "./protocol.ts"
import { type Answered, type JobInfo, type Task, Thread, unreadable } from "./thread.ts"
import { WaitingList } from "./waitingList.ts"

/** The most time, in milliseconds, that jobs posted to a thread may be expected to take together. */
const budget = 2
/** From how much expected time behind its running job, in milliseconds, it pays to give an idle thread a part of it. */
const share = 0.3
/** How long, in milliseconds, a job may run before those posted behind it are taken back. */
const patience = 2
/** Failed starts in a row after which jobs are not kept waiting. */
const attempts = 6
/** The longest pause between two attempts, in milliseconds. */
const longestPause = 1000
/** How long a thread may take to be ready, in milliseconds. */
const startTimeout = 30_000
/** How long the last answer keeps the process alive, in milliseconds. */
const rest = 10
/** How long closing lets idle threads end by themselves, in milliseconds. */
const leaveTimeout = 100
/** How long closing waits for threads to end, in milliseconds. */
const closeTimeout = 150

export interface Options {
  readonly size: number
  readonly spare: number
  readonly depth: number
  readonly recycleAfter: number
  readonly spin: number
  readonly preload: ReadonlyArray<string>
  readonly entry: URL
  readonly name: string
  readonly env: NodeJS.ProcessEnv | undefined
  readonly execArgv: ReadonlyArray<string> | undefined
  readonly resourceLimits: ResourceLimits | undefined
}

export class Threads {
  readonly #options: Options
  readonly #now = protocol.makeClock()
  readonly #waiting = new WaitingList<Task>()
  readonly #infos = new WeakMap<ExecutorCall["job"], JobInfo>()
  // Two descriptions of one function are the same job.
  readonly #infosByAddress = new Map<string, JobInfo>()
  // Starting, Ready and Retiring ones. The first idle one is used first, so that a lightly used executor keeps few warm.
  #threads: Array<Thread> = []
  // Terminated, and not ended yet.
  readonly #ending = new Set<Worker>()
  #closed = false
  /** Calls that somebody waits for. */
  #pending = 0
  #referenced = false
  /** Whether it is about to be seen if there is still no caller. */
  #resting = false
  #settled = 0
  #replaced = 0
  #failures = 0
  #retry: NodeJS.Timeout | undefined
  #watch: NodeJS.Timeout | undefined

  constructor(options: Options) {
    refuseInThread()
    this.#options = options
    this.#replenish()
  }

  // ------------------------------------------------------------------------------------------------ the caller's steps

  start(call: ExecutorCall, resume: (exit: Exit.Exit<unknown, ExecutorError>) => void): Task {
    const task: Task = {
      call,
      info: this.#infoOf(call.job),
      resume,
      submittedAt: call.onTimes === undefined ? 0 : this.#now(),
      place: "Settled",
      request: 0,
      estimate: 0,
      deaths: 0,
      previous: undefined,
      next: undefined
    }
    if (this.#closed) {
      resume(Exit.fail(new ExecutorClosed({ task: call.job.name, started: false })))
      return task
    }
    if (task.info.refusal !== undefined) {
      resume(task.info.refusal)
      return task
    }
    this.#pending++
    if (!this.#referenced) this.#reference(true)
    if (this.#threads.length < this.#options.size + this.#options.spare) this.#replenish()
    const thread = this.#waiting.length === 0 ? this.#choose(task) : undefined
    if (thread === undefined) {
      task.place = "Waiting"
      this.#waiting.push(task)
    } else {
      const problem = this.#post(task, thread)
      if (problem !== undefined) this.#tell([problem])
    }
    return task
  }

  /** The caller does not wait any more. */
  cancel(task: Task): void {
    const { place } = task
    if (place === "Settled") return
    if (place === "Waiting") this.#waiting.remove(task)
    task.place = "Settled"
    this.#forget(1)
    if (place === "Waiting" || place.revoke(task)) return this.#dispatch()
    if (task.call.onInterrupt === "abandon") return
    // It seems to run. It may also have ended a moment ago, and the next one begun: once nothing more can begin (revoked)
    // and every answer is taken in, what is left on the thread is this one (T3).
    this.#takeBack(place)
    place.drainPort()
    const answered = place.collect()
    if (place.live > 0) this.#end(place)
    this.#dispatch()
    this.#tell(answered)
  }

  get stats(): ExecutorStats {
    const ready = this.#threads.filter((thread) => thread.state !== "Starting")
    const posted = ready.reduce((sum, thread) => sum + thread.live, 0)
    const queued = ready.reduce((sum, thread) => sum + thread.queued, 0)
    return {
      threads: ready.length,
      starting: this.#threads.length - ready.length,
      running: posted - queued,
      waiting: this.#waiting.length + queued,
      settled: this.#settled,
      replaced: this.#replaced
    }
  }

  /** Ends everything; resolves when all threads have ended, or after `closeTimeout`. */
  close(): Promise<void> {
    this.#closed = true
    clearTimeout(this.#retry)
    clearTimeout(this.#watch)
    const answered: Array<Answered> = []
    const fail = (task: Task, started: boolean) =>
      answered.push({ task, exit: Exit.fail(new ExecutorClosed({ task: task.info.name, started })) })
    for (const thread of this.#threads) {
      thread.drainPort()
      answered.push(...thread.collect())
      const { begun, waiting } = thread.abandon()
      if (begun !== undefined) fail(begun, true)
      for (const task of waiting) fail(task, false)
      if (begun === undefined && thread.state !== "Starting") {
        thread.leave()
        this.#ending.add(thread.worker)
        this.#remove(thread)
      } else this.#end(thread)
    }
    for (let task = this.#waiting.first; task !== undefined; task = this.#waiting.first) {
      this.#waiting.remove(task)
      task.place = "Settled"
      fail(task, false)
    }
    this.#tell(answered)
    if (this.#ending.size === 0) return Promise.resolve()
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, closeTimeout)
      // What an idle thread's jobs printed last may still be on its way; it ends by itself when that is written.
      setTimeout(() => {
        for (const worker of this.#ending) void worker.terminate()
      }, leaveTimeout).unref()
      for (const worker of this.#ending) {
        worker.once("exit", () => {
          if (this.#ending.size > 0) return
          clearTimeout(timer)
          resolve()
        })
      }
    })
  }

  // ----------------------------------------------------------------------------------------------- where jobs are posted

  /** Posts waiting jobs, oldest first, as long as a thread may take them. */
  #dispatch(): void {
    const refused = this.#postWaiting()
    if (this.#takeSurplus()) refused.push(...this.#postWaiting())
    this.#tell(refused)
  }

  #postWaiting(): Array<Answered> {
    const refused: Array<Answered> = []
    for (let task = this.#waiting.first; task !== undefined; task = this.#waiting.first) {
      const thread = this.#choose(task)
      if (thread === undefined) break
      this.#waiting.remove(task)
      const problem = this.#post(task, thread)
      if (problem !== undefined) refused.push(problem)
    }
    return refused
  }

  /** Where nothing waits and a thread is idle, takes back half of what waits on the thread with the most to do (T5). */
  #takeSurplus(): boolean {
    if (this.#waiting.length > 0) return false
    let busy = 0
    let idle = false
    let most: Thread | undefined
    for (const thread of this.#threads) {
      if (thread.live > 0) busy++
      if (thread.state !== "Ready") continue
      if (thread.live === 0) idle = true
      else if (thread.live > 1 && thread.load > (most?.load ?? share)) most = thread
    }
    if (most === undefined || !idle || busy >= this.#options.size) return false
    this.#requeue(most.revokeNewest(most.live >> 1))
    return this.#waiting.length > 0
  }

  /** The thread that a job may be posted to now: an idle one, or the one with the least to do within the budget (T4, T5). */
  #choose(task: Task): Thread | undefined {
    const { depth, size } = this.#options
    let busy = 0
    let idle: Thread | undefined
    let ahead: Thread | undefined
    for (const thread of this.#threads) {
      if (thread.live > 0) busy++
      if (thread.state !== "Ready") continue
      if (thread.live === 0) idle ??= thread.hasRoom ? thread : undefined
      else if (
        !thread.overdue &&
        thread.live < depth &&
        thread.hasRoom &&
        (ahead === undefined || thread.load < ahead.load)
      ) {
        ahead = thread
      }
    }
    if (idle !== undefined && busy < size) return idle
    // What was handed over cannot be posted a second time, so it never waits where it might be taken back.
    if (ahead === undefined || handsOver(task)) return undefined
    return ahead.load + estimateOf(task) <= budget ? ahead : undefined
  }

  #post(task: Task, thread: Thread): Answered | undefined {
    const estimate = estimateOf(task)
    task.estimate = estimate === Infinity ? budget : estimate
    const problem = thread.post(task)
    if (problem === undefined) {
      if (thread.live > 1 && this.#watch === undefined) this.#startWatch()
      return undefined
    }
    task.place = "Settled"
    return { task, exit: Exit.fail(problem) }
  }

  #requeue(tasks: ReadonlyArray<Task>): void {
    for (const task of tasks.toReversed()) {
      task.place = "Waiting"
      this.#waiting.unshift(task)
    }
  }

  #takeBack(thread: Thread): void {
    this.#requeue(thread.revokeAll())
  }

  // Looks from time to time for jobs that are held up behind one that takes longer than expected (T5).
  #startWatch(): void {
    this.#watch = setTimeout(() => {
      this.#watch = undefined
      const now = this.#now()
      let watched = false
      for (const thread of this.#threads) {
        if (thread.live < 2) continue
        const since = thread.runningSince
        if (since === undefined || now - since < patience) {
          watched = true
          continue
        }
        thread.overdue = true
        this.#takeBack(thread)
      }
      this.#dispatch()
      if (watched && this.#watch === undefined) this.#startWatch()
    }, patience)
    this.#watch.unref()
  }

  // ------------------------------------------------------------------------------------------------------------ answers

  #onMessage(thread: Thread, message: protocol.Answer | null): void {
    if (thread.state === "Gone") return
    if (message !== null) {
      if ("kind" in message && message.kind === "ready") return this.#onReady(thread)
      thread.receive(message)
    }
    const answered = thread.collect()
    // Its first answers: threads can be started again.
    if (this.#failures > 0 && answered.length > 0 && thread.answered === answered.length) {
      this.#failures = 0
      this.#replenish()
    }
    if (thread.answered >= this.#options.recycleAfter && !thread.replaced) {
      thread.replaced = true
      this.#replenish()
    }
    if (thread.state === "Retiring" && thread.live === 0) this.#end(thread)
    // Before anybody is told: the threads work on while the callers' code runs.
    this.#dispatch()
    this.#tell(answered)
  }

  #tell(answered: ReadonlyArray<Answered>): void {
    if (answered.length === 0) return
    this.#settled += answered.length
    this.#forget(answered.length)
    for (const { exit, task } of answered) task.resume(exit)
  }

  #forget(count: number): void {
    this.#pending -= count
    if (this.#pending > 0 || this.#resting) return
    // The caller often has its next job at once. Looking again a little later spares two calls per thread, and a turn of
    // the event loop, for each job that comes alone.
    this.#resting = true
    setTimeout(() => {
      this.#resting = false
      if (this.#pending === 0 && this.#referenced) this.#reference(false)
    }, rest)
  }

  #reference(on: boolean): void {
    this.#referenced = on
    for (const thread of this.#threads) reference(thread, on)
    if (on) this.#retry?.ref()
    else this.#retry?.unref()
  }

  #infoOf(job: ExecutorCall["job"]): JobInfo {
    const known = this.#infos.get(job)
    if (known !== undefined) return known
    const { name, url } = job
    const key = `${url}\n${name}`
    const info = this.#infosByAddress.get(key) ?? {
      id: this.#infosByAddress.size,
      url,
      name,
      mean: Infinity,
      loaded: false,
      refusal: undefined
    }
    this.#infosByAddress.set(key, info)
    this.#infos.set(job, info)
    return info
  }

  // ------------------------------------------------------------------------------------------------ the threads' own life

  /** Starts threads until there are as many as there should be; while starting fails, one at a time and with pauses (T7). */
  #replenish(): void {
    const { size, spare } = this.#options
    while (!this.#closed && this.#retry === undefined) {
      if (this.#threads.filter((thread) => !thread.replaced).length >= size + spare) return
      if (this.#failures === 0) {
        this.#spawn()
        continue
      }
      if (this.#threads.some((thread) => thread.state === "Starting")) return
      const pause = this.#failures === 1 ? 0 : Math.min(10 * 2 ** (this.#failures - 2), longestPause)
      this.#retry = setTimeout(() => {
        this.#retry = undefined
        this.#spawn()
      }, pause)
      if (!this.#referenced) this.#retry.unref()
    }
  }

  #spawn(): void {
    const { entry, env, execArgv, name, preload, resourceLimits, spin } = this.#options
    const memory = protocol.makeMemory()
    const { port1, port2 } = new MessageChannel()
    // Modules that loaded before save the first job on the new thread their loading. Not after a failed start: one of
    // them may be why.
    const seen =
      this.#failures > 0 ? [] : [...this.#infosByAddress.values()].filter((info) => info.loaded).map((info) => info.url)
    const modules = [...new Set([...preload, ...seen])]
    const start: protocol.Start = { memory, port: port2, spin, depth: depthOfThreads(), preload: modules }
    let worker: Worker
    try {
      worker = new Worker(entry, {
        name,
        workerData: start,
        transferList: [port2],
        ...(env === undefined ? {} : { env }),
        ...(execArgv === undefined ? {} : { execArgv: [...execArgv] }),
        ...(resourceLimits === undefined ? {} : { resourceLimits })
      })
    } catch (cause) {
      port1.close()
      const answered = this.#failStart({ reason: "start", exitCode: undefined, cause })
      // Whoever asked for the thread is in the middle of a step.
      if (answered.length > 0) setImmediate(() => this.#tell(answered))
      return
    }
    const thread = new Thread(worker, port1, memory)
    this.#threads.push(thread)
    const timer = setTimeout(() => {
      thread.error = new Error(`the thread was not ready after ${startTimeout} ms`)
      void worker.terminate()
    }, startTimeout)
    timer.unref()
    port1.on("message", (message: protocol.Answer | null) => {
      if (message !== null && "kind" in message && message.kind === "ready") clearTimeout(timer)
      this.#onMessage(thread, message)
    })
    port1.on("messageerror", (error) => this.#onMessage(thread, unreadable(error)))
    worker.on("error", (error) => {
      thread.error = error
    })
    worker.on("exit", (exitCode) => {
      clearTimeout(timer)
      this.#ending.delete(worker)
      if (thread.state !== "Gone") this.#onExit(thread, exitCode)
    })
    reference(thread, this.#referenced)
  }

  #onReady(thread: Thread): void {
    thread.state = "Ready"
    const old = this.#threads.find((other) => other.replaced && other.state === "Ready")
    if (old !== undefined) {
      old.state = "Retiring"
      if (old.live === 0) this.#end(old)
    }
    this.#replenish()
    this.#dispatch()
  }

  /** The thread has ended by itself (T3). */
  #onExit(thread: Thread, exitCode: number): void {
    thread.drainPort()
    const answered = thread.collect()
    const { begun, waiting } = thread.abandon()
    const why = reasonOf(thread, exitCode)
    if (begun !== undefined) answered.push(crashed(begun, why, true))
    else if (waiting.length > 0 && ++waiting[0]!.deaths >= 3) {
      // Its thread died each time before it could say that it had begun: reading the request may be what kills it.
      answered.push(crashed(waiting.shift()!, why, false))
    }
    for (const task of waiting.filter(handsOver)) answered.push(crashed(task, why, false))
    this.#requeue(waiting.filter((task) => !handsOver(task)))
    this.#remove(thread)
    if (thread.unable) this.#failures = attempts
    if (begun === undefined && thread.answered === 0) answered.push(...this.#failStart(why))
    else {
      if (thread.answered === 0) this.#failures = 0
      this.#replenish()
    }
    this.#dispatch()
    this.#tell(answered)
  }

  /** Notes that a thread ended before it began a job; answers the jobs that are not kept waiting any longer (T7). */
  #failStart(why: Why): ReadonlyArray<Answered> {
    this.#failures++
    if (this.#failures < attempts) {
      this.#replenish()
      return []
    }
    const answered: Array<Answered> = []
    if (this.#threads.some((thread) => thread.state !== "Starting")) this.#replenish()
    else {
      for (let task = this.#waiting.first; task !== undefined; task = this.#waiting.first) {
        this.#waiting.remove(task)
        task.place = "Settled"
        answered.push(crashed(task, { ...why, reason: "start" }, false))
      }
    }
    return answered
  }

  /** Terminates a thread in the background: native code that it is in may run on for a while. */
  #end(thread: Thread): void {
    this.#remove(thread)
    this.#ending.add(thread.worker)
    thread.worker.unref()
    void thread.worker.terminate()
    // Starting a thread takes about a millisecond of this one; the caller goes first.
    if (!this.#closed) setImmediate(() => this.#replenish())
  }

  #remove(thread: Thread): void {
    if (thread.state !== "Starting") this.#replaced++
    thread.state = "Gone"
    this.#threads = this.#threads.filter((other) => other !== thread)
    thread.port.close()
  }
}

interface Why {
  readonly reason: WorkerCrashed["reason"]
  readonly exitCode: number | undefined
  readonly cause: unknown
}

const reasonOf = ({ error }: Thread, exitCode: number): Why => {
  if (error === undefined) return { reason: "exit", exitCode, cause: undefined }
  const memory = (error as any)?.code === "ERR_WORKER_OUT_OF_MEMORY"
  return { reason: memory ? "memory" : "uncaught", exitCode, cause: error }
}

const crashed = (task: Task, why: Why, started: boolean): Answered => ({
  task,
  exit: Exit.fail(new WorkerCrashed({ task: task.info.name, started, ...why }))
})

const handsOver = ({ call }: Task): boolean => call.transfer !== undefined && call.transfer.length > 0

const estimateOf = ({ call, info }: Task): number => (call.each ? info.mean * call.args.length : info.mean)

const reference = (thread: Thread, on: boolean): void => {
  if (on) {
    thread.worker.ref()
    thread.port.ref()
  } else {
    thread.worker.unref()
    thread.port.unref()
  }
}
