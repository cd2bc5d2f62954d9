/**
 * The scheduler of the worker-thread executor: decides which job runs on which thread, and handles the end of threads.
 *
 * The states of a job, and the events that change them:
 *
 * | from \ to | Waiting                          | on a thread (posted) | Settled                                           |
 * |-----------|----------------------------------|----------------------|---------------------------------------------------|
 * | new       | `start`, no thread may take it   | `start`              | `start`: closed, or an argument cannot be copied  |
 * | Waiting   |                                  | `dispatch`           | `cancel`, `close`, no thread can be started       |
 * | posted    | revoked: its thread died, is     |                      | its answer; `cancel`; `close`; its thread died    |
 * |           | ended, or is stalled             |                      | after it had begun                                |
 *
 * The states of a thread:
 *
 * | from \ to | Ready            | Retiring                        | Gone                                            |
 * |-----------|------------------|---------------------------------|-------------------------------------------------|
 * | Starting  | it reports ready |                                 | exits, or is not ready in time                  |
 * | Ready     |                  | its replacement is ready, or it | exits; terminated because its job was cancelled |
 * |           |                  | cannot load a module            | or a module it loaded made an executor          |
 * | Retiring  |                  |                                 | as Ready; told to leave when its last job ended |
 *
 * Invariants:
 *
 * - T1 Every call settles exactly once, or is cancelled. Callers are notified only after the state here is consistent,
 *   because notifying runs their code, which may call `start` and `cancel`.
 * - T2 A job that has begun is never posted again. Both sides agree on "begun" by one compare-and-swap (`protocol.ts`).
 * - T3 Before a thread is terminated, or its exit is handled, its jobs that have not begun are revoked, and then its
 *   answers are collected. Only then does the job that has begun fail, and the revoked jobs return to the front of the
 *   queue in their order. Cancelling a job terminates its thread only if the thread still holds this job.
 * - T4 At most `size` threads hold jobs; the others are spare. A waiting job and a free thread never coexist. A
 *   starting thread gets a job only while no thread is ready. When one is ready, the job is revoked unless it has
 *   begun.
 * - T5 Jobs are posted behind others only while the expected time of all of them is at most `postAheadMillis`. A thread
 *   without work takes over half of the jobs of another one. Jobs stalled for `stallMillis` behind a running job are
 *   revoked and go to the first free thread.
 * - T6 Process exit: threads, ports and timers are referenced only while a caller waits for an answer, and while a
 *   thread writes output of its jobs.
 * - T7 A thread that ends before it begins a job counts as a failed start. Each further failure in a row doubles the
 *   pause before the next attempt, until a new thread begins its first job. After `maxStartAttempts` failures, and with
 *   no thread left, waiting jobs fail instead of waiting forever. A thread that reports that it is unable to start
 *   counts as `maxStartAttempts` failures.
 * - T8 User code runs in three places, where the state is consistent: while arguments are copied, when a caller is
 *   notified, and in loggers. What it throws becomes the result of the call it belongs to, or one log line. While
 *   arguments are copied, their task is not on a thread yet, and no other task is posted.
 * - T9 A thread that was told to end counts until it has ended. At `endingLimit` such threads no thread is started, and
 *   waiting jobs wait for one to end. This is logged once each time.
 * - T10 A thread without a job is not terminated while it writes output of its jobs, neither by closing, nor by
 *   recycling, nor by the end of the process. Writing may take up to `outputTimeout`.
 *
 * Time here is real time, not `Clock`: real threads do not stand still under a test clock.
 */
import {
  describeThrown,
  type ExecutorCall,
  ExecutorClosed,
  type ExecutorError,
  type ExecutorStats,
  type ExecutorThread,
  type ThreadReplacement,
  WorkerCrashed
} from "@aio-task-pool/core"
import * as Exit from "effect/Exit"
import { clearTimeout, setImmediate, setTimeout } from "node:timers"
import { MessageChannel, type ResourceLimits, Worker, type WorkerOptions } from "node:worker_threads"
import { depthOfThreads, refuseInThread } from "./loading.ts"
import * as protocol from "./protocol.ts"
import { type Answered, type JobInfo, type Task, Thread, unreadable } from "./thread.ts"
import { JobQueue } from "./jobQueue.ts"

/** The most threads that are listed. */
const mostListed = 1000
/** The longest expected time of all jobs posted to a thread, in milliseconds. */
const postAheadMillis = 2
/** The expected time of a thread's jobs, in milliseconds, above which an idle thread takes over half of them. */
const rebalanceMillis = 0.3
/** How long a job may run before those posted behind it are revoked, in milliseconds. */
const stallMillis = 2
/** The number of failed starts in a row after which waiting jobs fail. */
const maxStartAttempts = 6
/** The longest pause between two attempts, in milliseconds. */
const longestPause = 1000
/** How long a thread may take to be ready, in milliseconds. */
const startTimeout = 30_000
/** How long the process is kept alive after the last answer, in milliseconds. */
const keepAliveMillis = 10
/** The interval at which a thread is asked to end by itself, in milliseconds. */
const leaveInterval = 20
/** How long such a thread may take to respond, in milliseconds. Work that a job left behind may block it forever. */
const leaveTimeout = 1000
/** How long it may then take to write output of its jobs, in milliseconds. */
const outputTimeout = 10_000
/** How long closing waits for terminated threads, in milliseconds. One in native code runs until that code returns. */
const closeTimeout = 150
/** The first pause between two replacements because a module does not load, in milliseconds. Each pause doubles. */
const firstRetirePause = 50

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
  /** Logs what no caller is notified of. */
  readonly log: (message: string, cause: unknown) => void
}

export class Threads {
  readonly #options: Options
  readonly #now = protocol.makeClock()
  readonly #waiting = new JobQueue<Task>()
  readonly #infos = new WeakMap<ExecutorCall["job"], JobInfo>()
  // Two declarations of one function are the same job.
  readonly #infosByAddress = new Map<string, JobInfo>()
  // Starting, Ready and Retiring threads. The first idle one is used first, so a lightly used executor keeps few warm.
  #threads: Array<Thread> = []
  /** Threads that were terminated, or asked to end, and still run. */
  readonly #ending = new Map<Worker, Thread>()
  /** The ending threads that are expected to end by themselves. */
  readonly #leaving = new Set<Worker>()
  /** Whether no thread is started because too many are ending (T9). */
  #held = false
  #closed = false
  /** Whether a task is being posted, which may run user code. */
  #posting = false
  /** The number of calls that a caller waits for. */
  #pending = 0
  #referenced = false
  /** Whether a timer runs that checks if there is still no caller. */
  #checkingRest = false
  /** Messages of threads that have been logged. */
  readonly #noted = new Set<string>()
  #settled = 0
  #replaced = 0
  readonly #replacedBy: Record<ThreadReplacement, number> = {
    Crashed: 0,
    Interrupted: 0,
    Recycled: 0,
    Module: 0,
    Closed: 0
  }
  /** The number of threads made so far. */
  #made = 0
  #failures = 0
  /** Checks whether closing is complete, once it has begun. */
  #onEnding: () => void = () => undefined
  #retry: NodeJS.Timeout | undefined
  #watch: NodeJS.Timeout | undefined

  constructor(options: Options) {
    refuseInThread()
    this.#options = options
    this.#ensureThreads()
  }

  // --------------------------------------------------------------------------------------------- calls of the executor

  start(call: ExecutorCall, resume: (exit: Exit.Exit<unknown, ExecutorError>) => void): Task {
    const task: Task = {
      call,
      info: this.#infoOf(call.job),
      resume,
      submittedAt: call.onTimes === undefined ? 0 : this.#now(),
      transfers: call.transfer !== undefined && call.transfer.length > 0,
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
    if (this.#threads.length < this.#options.size + this.#options.spare) this.#ensureThreads()
    // If other jobs wait, no thread can take this one.
    const thread = this.#waiting.length === 0 && !this.#posting ? this.#choose(task) : undefined
    if (thread !== undefined && this.#postAtOnce(task, thread)) return task
    // Reading an argument may have run user code that closed the executor.
    if (this.#closed) {
      this.#settle([{ task, exit: Exit.fail(new ExecutorClosed({ task: task.info.name, started: false })) }])
      return task
    }
    task.place = "Waiting"
    this.#waiting.push(task)
    if (thread !== undefined) this.#settle(this.#postWaiting())
    return task
  }

  /** Cancels a task whose caller was interrupted. */
  cancel(task: Task): void {
    const { place } = task
    if (place === "Settled") return
    if (place === "Waiting") this.#waiting.remove(task)
    task.place = "Settled"
    this.#decrementPending(1)
    if (place === "Waiting" || place.revoke(task)) return this.#dispatch()
    if (task.call.onInterrupt === "abandon") return
    // The task has begun. It may also have ended, and the next one may have begun, which must not be terminated. After
    // the others are revoked and the answers collected, the thread still holds this task or the task has ended (T3).
    this.#revoke(place)
    place.drainPort()
    const answered = this.#collect(place)
    if (place.holds(task)) this.#terminate(place, "Interrupted")
    this.#dispatch()
    this.#settle(answered)
  }

  get stats(): ExecutorStats {
    const starting = this.#threads.filter((thread) => thread.state === "Starting").length
    const posted = this.#threads.reduce((sum, thread) => sum + thread.live, 0)
    const queued = this.#threads.reduce((sum, thread) => sum + thread.queued, 0)
    return {
      threads: this.#threads.length - starting,
      starting,
      ending: this.#ending.size,
      running: posted - queued,
      waiting: this.#waiting.length + queued,
      settled: this.#settled,
      replaced: this.#replaced,
      replacedBy: { ...this.#replacedBy }
    }
  }

  /** The threads, including those that were told to end, at most `mostListed`. */
  get list(): ReadonlyArray<ExecutorThread> {
    const threads = this.#threads.concat(Array.from(this.#ending.values())).slice(0, mostListed)
    const now = this.#now()
    return threads.map((thread) => {
      const { queued } = thread
      const job = thread.runningJob
      const since = thread.runningSince
      return {
        id: thread.id,
        state: stateOf(thread, job),
        running: thread.live - queued,
        waiting: queued,
        job,
        ran: job === undefined || since === undefined ? undefined : Math.max(0, now - since),
        settled: thread.answered,
        replacedBy: thread.replacedBy
      }
    })
  }

  /**
   * Settles all calls and ends all threads. Resolves when all threads have ended. Threads that still write output are
   * awaited, terminated ones for at most `closeTimeout`.
   */
  close(): Promise<void> {
    this.#closed = true
    clearTimeout(this.#retry)
    clearTimeout(this.#watch)
    const answered: Array<Answered> = []
    const fail = (task: Task, started: boolean) =>
      answered.push({ task, exit: Exit.fail(new ExecutorClosed({ task: task.info.name, started })) })
    for (const thread of this.#threads) {
      const { begun, busy, waiting, ...given } = thread.takeAll()
      answered.push(...given.answered)
      if (begun !== undefined) fail(begun, true)
      for (const task of waiting) fail(task, false)
      if (busy || !thread.isReady) this.#terminate(thread, "Closed")
      else this.#leave(thread, "Closed")
    }
    for (let task = this.#waiting.first; task !== undefined; task = this.#waiting.first) {
      this.#waiting.remove(task)
      task.place = "Settled"
      fail(task, false)
    }
    const ended = new Promise<void>((resolve) => {
      let timer: NodeJS.Timeout | undefined
      this.#onEnding = () => {
        if (this.#ending.size === 0) {
          clearTimeout(timer)
          resolve()
        } else if (this.#leaving.size === 0) timer ??= setTimeout(resolve, closeTimeout)
      }
    })
    this.#onEnding()
    this.#settle(answered)
    return ended
  }

  // ----------------------------------------------------------------------------------------------------------- posting

  /** Posts waiting jobs, oldest first, while a thread may take them. */
  #dispatch(): void {
    this.#settle(this.#postWaiting())
    if (this.#takeSurplus()) this.#settle(this.#postWaiting())
  }

  #postWaiting(): ReadonlyArray<Answered> {
    // Copying arguments may run user code, which may call `start`. The jobs it starts wait for the loop below.
    if (this.#posting) return none
    this.#posting = true
    let refused: Array<Answered> | undefined
    for (let task = this.#waiting.first; task !== undefined; task = this.#waiting.first) {
      const thread = this.#choose(task)
      if (thread === undefined) break
      const problem = this.#post(task, thread)
      if (problem !== undefined) (refused ??= []).push(problem)
    }
    this.#posting = false
    return refused ?? none
  }

  /** If no job waits and a thread is idle, revokes half of the jobs of the thread with the highest load (T5). */
  #takeSurplus(): boolean {
    if (this.#waiting.length > 0) return false
    let busy = 0
    let idle = false
    let most: Thread | undefined
    for (const thread of this.#threads) {
      if (thread.live > 0) busy++
      if (thread.state !== "Ready") continue
      if (thread.live === 0) idle = true
      else if (thread.live > 1 && thread.load > (most?.load ?? rebalanceMillis)) most = thread
    }
    if (most === undefined || !idle || busy >= this.#options.size) return false
    this.#requeue(most.revokeNewest(most.live >> 1))
    return this.#waiting.length > 0
  }

  /** Returns the thread that a job may be posted to now: an idle one, or the one with the lowest load (T4, T5). */
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
    // Transferred objects cannot be posted a second time, so their job is never posted where it may be revoked.
    if (task.transfers) return undefined
    if (ahead === undefined) return busy < size ? this.#chooseStarting() : undefined
    return ahead.load + estimateOf(task) <= postAheadMillis ? ahead : undefined
  }

  // If no thread is ready, the job is posted to a starting one: the main thread may be blocked when that thread
  // becomes ready, and until the job has run.
  #chooseStarting(): Thread | undefined {
    if (this.#threads.some((thread) => thread.state !== "Starting")) return undefined
    return this.#threads.find((thread) => thread.live === 0 && thread.hasRoom)
  }

  /**
   * Posts a task that is not in the queue, if its arguments fit into a slot, as most do. Returns whether it was posted.
   */
  #postAtOnce(task: Task, thread: Thread): boolean {
    if (task.info.refusal !== undefined) return false
    task.estimate = finiteEstimateOf(task)
    this.#posting = true
    const posted = thread.postInSlot(task)
    this.#posting = false
    if (!posted) return false
    if (thread.live > 1 && this.#watch === undefined) this.#startWatch()
    if (this.#waiting.length > 0) this.#dispatch()
    return true
  }

  #post(task: Task, thread: Thread): Answered | undefined {
    const { refusal } = task.info
    if (refusal !== undefined) {
      this.#waiting.remove(task)
      task.place = "Settled"
      return { task, exit: refusal }
    }
    task.estimate = finiteEstimateOf(task)
    // The task stays in the queue until it is posted, so user code that its arguments run can cancel it there.
    const problem = thread.post(task)
    if (task.place !== "Waiting" && task.place !== thread) return undefined
    if (problem === undefined && task.place === "Waiting") return undefined
    this.#waiting.remove(task)
    if (problem !== undefined) {
      task.place = "Settled"
      return { task, exit: Exit.fail(problem) }
    }
    if (thread.live > 1 && this.#watch === undefined) this.#startWatch()
    return undefined
  }

  #requeue(tasks: ReadonlyArray<Task>): void {
    for (const task of tasks.toReversed()) {
      task.place = "Waiting"
      this.#waiting.unshift(task)
    }
  }

  #revoke(thread: Thread): void {
    this.#requeue(thread.revokeAll())
  }

  // Checks periodically for jobs that are stalled behind one that takes longer than expected (T5).
  #startWatch(): void {
    this.#watch = setTimeout(() => {
      this.#watch = undefined
      const now = this.#now()
      let watched = false
      for (const thread of this.#threads) {
        if (thread.live < 2) continue
        const since = thread.runningSince
        if (since === undefined || now - since < stallMillis) {
          watched = true
          continue
        }
        thread.overdue = true
        this.#revoke(thread)
      }
      this.#dispatch()
      if (watched && this.#watch === undefined) this.#startWatch()
    }, stallMillis)
    this.#watch.unref()
  }

  // ----------------------------------------------------------------------------------------------------------- answers

  #onMessage(thread: Thread, message: protocol.Message): void {
    if (thread.state === "Gone") return
    thread.receive(message)
    const answered = this.#collect(thread)
    // Before callers are notified, so that the threads have work while the callers' code runs.
    this.#dispatch()
    this.#settle(answered)
  }

  /** Collects a thread's answers and reacts to them. */
  #collect(thread: Thread): Array<Answered> {
    // Checked here and not only when the message arrives, because draining the port may have received that message.
    if (thread.state === "Starting" && thread.isReady) this.#onReady(thread)
    const answered = thread.collect()
    if (thread.notes.length > 0) this.#logNotes(thread)
    // The thread's first answers show that threads can start again.
    if (this.#failures > 0 && answered.length > 0 && thread.answered === answered.length) {
      this.#failures = 0
      this.#ensureThreads()
    }
    if (thread.answered >= this.#options.recycleAfter && !thread.replaced) {
      thread.replaced = true
      thread.replacedBy = "Recycled"
      this.#ensureThreads()
    }
    if (thread.refused) {
      this.#revoke(thread)
      this.#terminate(thread, "Module")
    } else if (thread.failedLoad !== undefined) this.#retireAfterFailedLoad(thread, thread.failedLoad)
    if (thread.state === "Retiring" && thread.live === 0) this.#leave(thread)
    return answered
  }

  #logNotes(thread: Thread): void {
    for (const { cause, text } of thread.notes.splice(0)) {
      // Each thread reports the same message, so it is logged once.
      if (!this.#noted.has(text)) this.#log(text, cause)
      this.#noted.add(text)
    }
  }

  // A thread remembers that a module failed to load. Another thread can load it once its dependencies are there. The
  // pauses double, because a module that never loads would otherwise cost a thread for each call.
  #retireAfterFailedLoad(thread: Thread, info: JobInfo): void {
    thread.failedLoad = undefined
    const now = this.#now()
    if (thread.state !== "Ready" || now < info.retiresFrom) return
    info.retirePause = Math.min(Math.max(2 * info.retirePause, firstRetirePause), longestPause)
    info.retiresFrom = now + info.retirePause
    thread.state = "Retiring"
    thread.replaced = true
    thread.replacedBy = "Module"
    this.#revoke(thread)
    this.#ensureThreads()
  }

  #settle(answered: ReadonlyArray<Answered>): void {
    if (answered.length === 0) return
    this.#settled += answered.length
    this.#decrementPending(answered.length)
    for (const { exit, task, times } of answered) {
      // Both run user code (T8): the caller's tracer, and observers of its fiber.
      if (times !== undefined) this.#notifyTimes(task, times)
      try {
        task.resume(exit)
      } catch (cause) {
        this.#log(`a caller of ${task.info.name} threw when it received its result`, cause)
      }
    }
  }

  #notifyTimes({ call, info }: Task, times: readonly [queueTime: number, runTime: number]): void {
    try {
      call.onTimes?.(...times)
    } catch (cause) {
      this.#log(`a tracer threw when it received the times of ${info.name}`, cause)
    }
  }

  // Loggers are user code, so they run after the current step (T8).
  #log(message: string, cause: unknown): void {
    setImmediate(() => this.#options.log(`${this.#options.name}: ${message}`, cause))
  }

  #decrementPending(count: number): void {
    this.#pending -= count
    if (this.#pending > 0 || this.#checkingRest) return
    // A caller often has its next job at once. Checking a little later saves two calls per thread, and a turn of the
    // event loop, for each job that runs alone.
    this.#checkingRest = true
    let settled = this.#settled
    let since = this.#now()
    const check = () => {
      if (this.#pending === 0 && this.#referenced) {
        if (settled !== this.#settled) {
          settled = this.#settled
          since = this.#now()
        }
        if (this.#now() - since < this.#outputLimit()) return void setTimeout(check, keepAliveMillis)
        this.#reference(false)
      }
      this.#checkingRest = false
    }
    setTimeout(check, keepAliveMillis)
  }

  /** Returns how long the process may be kept alive for output of jobs, in milliseconds (T10). */
  #outputLimit(): number {
    let limit = 0
    for (const { live, output } of this.#threads) {
      // An abandoned job may run forever.
      if (live > 0 || output === protocol.Written) continue
      limit = Math.max(limit, output === protocol.Unwritten ? outputTimeout : leaveTimeout)
    }
    return limit
  }

  #reference(on: boolean): void {
    this.#referenced = on
    for (const thread of this.#threads) reference(thread, on)
    if (on) this.#retry?.ref()
    else this.#retry?.unref()
    if (!this.#held) return
    for (const worker of this.#ending.keys()) {
      if (on) worker.ref()
      else worker.unref()
    }
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
      retiresFrom: 0,
      retirePause: 0,
      refusal: undefined
    }
    this.#infosByAddress.set(key, info)
    this.#infos.set(job, info)
    return info
  }

  // --------------------------------------------------------------------------------------- starting and ending threads

  /** Starts threads until there are `size + spare`. While starts fail, starts one at a time, with pauses (T7). */
  #ensureThreads(): void {
    const { size, spare } = this.#options
    while (!this.#closed && this.#retry === undefined) {
      if (this.#threads.filter((thread) => !thread.replaced).length >= size + spare) return
      if (this.#ending.size >= endingLimit(this.#options)) return this.#hold()
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

  // Threads that were terminated in native code end when that code returns, which may be never (T9).
  #hold(): void {
    if (this.#held) return
    this.#held = true
    if (this.#referenced) for (const worker of this.#ending.keys()) worker.ref()
    const count = this.#ending.size
    this.#log(
      `${count} threads that were told to end are still running, in native code that cannot be interrupted; ` +
        "no thread is started until one has ended",
      undefined
    )
  }

  #spawn(): void {
    const { entry, env, execArgv, name, preload, resourceLimits, spin } = this.#options
    const { port1, port2 } = new MessageChannel()
    let memory: SharedArrayBuffer
    let worker: Worker
    try {
      memory = protocol.makeMemory()
      const start: protocol.Start = { memory, port: port2, spin, depth: depthOfThreads(), preload }
      // Without a prototype, because Node reads inherited options too, such as properties added to `Object.prototype`.
      const options: WorkerOptions = Object.assign(Object.create(null), {
        name,
        workerData: start,
        transferList: [port2],
        ...(env === undefined ? {} : { env }),
        ...(execArgv === undefined ? {} : { execArgv: [...execArgv] }),
        ...(resourceLimits === undefined ? {} : { resourceLimits })
      })
      worker = hasInputType(env, execArgv)
        ? new Worker(`import(${JSON.stringify(entry.href)})`, Object.assign(options, { eval: true }))
        : new Worker(entry, options)
    } catch (cause) {
      port1.close()
      const answered = this.#failStart({ reason: "start", exitCode: undefined, cause })
      // The caller of this method is in the middle of a step.
      if (answered.length > 0) setImmediate(() => this.#settle(answered))
      return
    }
    const thread = new Thread(worker, port1, memory, ++this.#made)
    this.#threads.push(thread)
    let timer: NodeJS.Timeout | undefined = setTimeout(() => {
      if (thread.isReady) return
      thread.error = new Error(`the thread was not ready after ${startTimeout} ms`)
      void worker.terminate()
    }, startTimeout)
    timer.unref()
    port1.on("message", (message: protocol.Message) => {
      this.#onMessage(thread, message)
      if (timer === undefined || thread.state === "Starting") return
      clearTimeout(timer)
      timer = undefined
    })
    port1.on("messageerror", (error) => this.#onMessage(thread, unreadable(error)))
    worker.on("error", (error) => {
      thread.error = error
    })
    worker.on("exit", (exitCode) => {
      clearTimeout(timer)
      if (thread.state === "Gone") this.#onEnded(worker)
      else this.#onExit(thread, exitCode)
    })
    reference(thread, this.#referenced)
  }

  #onReady(thread: Thread): void {
    thread.state = "Ready"
    const old = this.#threads.find((other) => other.replaced && other.state === "Ready")
    if (old !== undefined) {
      old.state = "Retiring"
      if (old.live === 0) this.#leave(old)
    }
    // Jobs posted to threads that still start go to the ready ones.
    for (const other of this.#threads) if (other.state === "Starting" && other.live > 0) this.#revoke(other)
    this.#ensureThreads()
  }

  /** Handles the exit of a thread that was not told to end (T3). */
  #onExit(thread: Thread, exitCode: number): void {
    const { answered, begun, waiting } = thread.takeAll()
    const why = reasonOf(thread, exitCode)
    if (begun === undefined && thread.isReady && !thread.refused) {
      this.#log(`a thread without a job ended: ${describeWhy(why)}`, why.cause)
    }
    if (begun !== undefined) answered.push(crashed(begun, why, true))
    else if (thread.isReady && waiting.length > 0 && ++waiting[0]!.deaths >= 3) {
      // Three threads died before this job had begun on them. Reading its request may be what kills them.
      answered.push(crashed(waiting.shift()!, why, false))
    }
    for (const task of waiting.filter((task) => task.transfers)) answered.push(crashed(task, why, false))
    this.#requeue(waiting.filter((task) => !task.transfers))
    this.#remove(thread, thread.refused ? "Module" : "Crashed")
    if (thread.unable) this.#failures = maxStartAttempts
    if (begun === undefined && thread.answered === 0) answered.push(...this.#failStart(why))
    else {
      if (thread.answered === 0) this.#failures = 0
      this.#ensureThreads()
    }
    this.#dispatch()
    this.#settle(answered)
  }

  /** Counts a failed start. Returns the waiting jobs with their failures if no more attempts are made (T7). */
  #failStart(why: Why): ReadonlyArray<Answered> {
    this.#failures++
    if (this.#failures < maxStartAttempts) {
      this.#ensureThreads()
      return []
    }
    const answered: Array<Answered> = []
    if (this.#threads.some((thread) => thread.state !== "Starting")) this.#ensureThreads()
    else {
      if (this.#waiting.length === 0 && this.#threads.length === 0)
        this.#log(`no thread could be started: ${describeWhy(why)}`, why.cause)
      for (let task = this.#waiting.first; task !== undefined; task = this.#waiting.first) {
        this.#waiting.remove(task)
        task.place = "Settled"
        answered.push(crashed(task, { ...why, reason: "start" }, false))
      }
    }
    return answered
  }

  /** Terminates a thread in the background, because it may run native code that delays its end. */
  #terminate(thread: Thread, why: ThreadReplacement): void {
    this.#remove(thread, why)
    this.#ending.set(thread.worker, thread)
    thread.worker.unref()
    void thread.worker.terminate()
    // Starting a thread blocks this one for about a millisecond, so the caller continues first.
    if (!this.#closed) setImmediate(() => this.#ensureThreads())
  }

  /**
   * Asks a thread without jobs to end by itself, so that output of its jobs is not lost. Terminates it after a timeout.
   */
  #leave(thread: Thread, why: ThreadReplacement = thread.replacedBy ?? "Recycled"): void {
    const { worker } = thread
    const began = this.#now()
    thread.leave()
    this.#remove(thread, why)
    this.#ending.set(worker, thread)
    this.#leaving.add(worker)
    // The thread keeps the process alive until it has ended.
    worker.ref()
    const check = () => {
      if (!this.#leaving.has(worker)) return
      const limit = thread.leave() ? outputTimeout : leaveTimeout
      if (this.#now() - began < limit) return void setTimeout(check, leaveInterval)
      this.#leaving.delete(worker)
      worker.unref()
      void worker.terminate()
      this.#onEnding()
    }
    setTimeout(check, leaveInterval)
  }

  /** Handles the exit of a thread that was told to end. */
  #onEnded(worker: Worker): void {
    this.#ending.delete(worker)
    this.#leaving.delete(worker)
    if (this.#held && this.#ending.size < endingLimit(this.#options)) {
      this.#held = false
      for (const other of this.#ending.keys()) if (!this.#leaving.has(other)) other.unref()
      this.#ensureThreads()
    }
    this.#onEnding()
  }

  #remove(thread: Thread, why: ThreadReplacement): void {
    thread.replacedBy = why
    if (thread.isReady) {
      this.#replaced++
      this.#replacedBy[why]++
    }
    thread.state = "Gone"
    this.#threads = this.#threads.filter((other) => other !== thread)
    thread.port.close()
  }
}

const none: ReadonlyArray<Answered> = []

const stateOf = ({ state }: Thread, job: string | undefined): ExecutorThread["state"] => {
  if (state === "Gone") return "Ending"
  return state === "Ready" ? (job === undefined ? "Idle" : "Running") : state
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

const describeWhy = ({ cause, exitCode }: Why): string =>
  cause === undefined ? `it exited with code ${exitCode}` : describeThrown(cause)

/** Returns the number of ending threads from which no more threads are started (T9). */
const endingLimit = ({ size, spare }: Options): number => 2 * (size + spare)

// Node passes `--input-type` on to threads and then refuses to load their file. Code from a string may import the file.
const hasInputType = (env: NodeJS.ProcessEnv | undefined, execArgv: ReadonlyArray<string> | undefined): boolean =>
  (execArgv ?? process.execArgv).some((option) => option.startsWith("--input-type")) ||
  ((env ?? process.env)["NODE_OPTIONS"] ?? "").includes("--input-type")

/** Returns the expected run time for `Task.estimate`. An unknown one counts as `postAheadMillis`. */
const finiteEstimateOf = (task: Task): number => {
  const estimate = estimateOf(task)
  return estimate === Infinity ? postAheadMillis : estimate
}

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
