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
 * | Starting  | it says so       |                                 | exits, or is not ready in time                  |
 * | Ready     |                  | its replacement is ready, or it | exits; terminated because its job was cancelled |
 * |           |                  | cannot load a module            | or a module it loaded made an executor          |
 * | Retiring  |                  |                                 | as Ready; told to leave when its last job ended |
 *
 * Invariants:
 *
 * - T1 Every call is answered exactly once, or cancelled. The answer is told only after the state here is in order,
 *   because telling it runs the caller's code, which may call `start` and `cancel` again.
 * - T2 A job that has begun is never posted again. Both sides agree on "begun" by one compare-and-swap (`protocol.ts`).
 * - T3 Before a thread is ended or its end is dealt with, what has not begun is revoked and the answers it has given are
 *   taken in, in this order. Only then is the job that has begun failed, and those behind it go back to the front of the
 *   waiting list in their order. Cancelling a job ends its thread only if the thread still holds this very job.
 * - T4 No more than `size` threads hold jobs; the others are spare. A waiting job and a free thread never coexist. A thread
 *   that starts gets a job only while no thread is ready, and gives it back when one is, unless it has begun.
 * - T5 Jobs are posted behind others only while all they are expected to take stays within `budget`. A thread that runs
 *   out of work takes over a part of what waits on another one; what is held up behind a job for longer than `patience`
 *   is revoked and goes to whoever is free first.
 * - T6 Process exit: threads, ports and timers are referenced exactly while a caller waits for an answer, and while a
 *   thread writes what its jobs printed.
 * - T7 A thread that ends without having begun a job counts as a failed start. Each one in a row doubles the wait before
 *   the next attempt, until a new thread begins its first job; after `attempts` of them, and with no thread left, waiting
 *   jobs fail instead of waiting forever. One that says it is unable to start counts as all of them.
 * - T8 Code of the program runs in three places only, where nothing is half done: while arguments are copied, when a
 *   caller is told its answer, and in loggers. What it throws becomes the answer of the call it belongs to, or one log
 *   line. While arguments are copied their task is still in the waiting list, and nothing else is posted.
 * - T9 A thread that was told to end counts until it has ended. With `endingLimit` of them no thread is started: waiting
 *   jobs wait for one to end, which is logged once each time.
 * - T10 A thread that has no job is not ended while it writes what its jobs printed: neither by closing, nor by recycling,
 *   nor by the end of the process. It may take `outputTimeout` for that.
 *
 * Time here is the threads' own, not `Clock`: real threads do not stand still under a test clock.
 */
import {
  describeThrown,
  type ExecutorCall,
  ExecutorClosed,
  type ExecutorError,
  type ExecutorStats,
  WorkerCrashed
} from "@aio-task-pool/core"
import * as Exit from "effect/Exit"
import { clearTimeout, setImmediate, setTimeout } from "node:timers"
import { MessageChannel, type ResourceLimits, Worker, type WorkerOptions } from "node:worker_threads"
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
/** How often a thread that is to end by itself is asked, in milliseconds. */
const leaveInterval = 20
/** How long such a thread may take to hear it, in milliseconds: what a job left behind may never let it. */
const leaveTimeout = 1000
/** How long it may then take to write what its jobs printed, in milliseconds. */
const outputTimeout = 10_000
/** How long closing waits for terminated threads, in milliseconds: one in native code goes on until that returns. */
const closeTimeout = 150
/** How often a thread is replaced because a module does not load there, in milliseconds: the first pause, doubled. */
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
  /** Says what no caller is told. */
  readonly log: (message: string, cause: unknown) => void
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
  /** Told to end, and not ended yet. */
  readonly #ending = new Set<Worker>()
  /** Those of them that are to end by themselves. */
  readonly #leaving = new Set<Worker>()
  /** Whether no thread is started because too many are ending (T9). */
  #held = false
  #closed = false
  /** Whether a task is being posted, which may run code of its owner. */
  #posting = false
  /** Calls that somebody waits for. */
  #pending = 0
  #referenced = false
  /** Whether it is about to be seen if there is still no caller. */
  #resting = false
  /** What threads have said for the log. */
  readonly #noted = new Set<string>()
  #settled = 0
  #replaced = 0
  #failures = 0
  /** Looks whether closing is complete, once it has begun. */
  #onEnding: () => void = () => undefined
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
      handsOver: call.transfer !== undefined && call.transfer.length > 0,
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
    // Where others wait, no thread may take one.
    const thread = this.#waiting.length === 0 && !this.#posting ? this.#choose(task) : undefined
    if (thread !== undefined && this.#postAtOnce(task, thread)) return task
    // An argument may have closed the executor while it was looked at.
    if (this.#closed) {
      this.#tell([{ task, exit: Exit.fail(new ExecutorClosed({ task: task.info.name, started: false })) }])
      return task
    }
    task.place = "Waiting"
    this.#waiting.push(task)
    if (thread !== undefined) this.#tell(this.#postWaiting())
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
    // It seems to run. It may also have ended a moment ago, and the next one begun, which must not be ended with it. Once
    // nothing more can begin (revoked) and every answer is taken in, the thread holds this task or it has ended (T3).
    this.#takeBack(place)
    place.drainPort()
    const answered = this.#collect(place)
    if (place.holds(task)) this.#end(place)
    this.#dispatch()
    this.#tell(answered)
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
      replaced: this.#replaced
    }
  }

  /**
   * Ends everything; resolves when all threads have ended. Those that only write what their jobs printed are waited for;
   * those that were terminated for `closeTimeout` at most.
   */
  close(): Promise<void> {
    this.#closed = true
    clearTimeout(this.#retry)
    clearTimeout(this.#watch)
    const answered: Array<Answered> = []
    const fail = (task: Task, started: boolean) =>
      answered.push({ task, exit: Exit.fail(new ExecutorClosed({ task: task.info.name, started })) })
    for (const thread of this.#threads) {
      const { begun, busy, waiting, ...given } = thread.giveUp()
      answered.push(...given.answered)
      if (begun !== undefined) fail(begun, true)
      for (const task of waiting) fail(task, false)
      if (busy || !thread.isReady) this.#end(thread)
      else this.#leave(thread)
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
    this.#tell(answered)
    return ended
  }

  // ----------------------------------------------------------------------------------------------- where jobs are posted

  /** Posts waiting jobs, oldest first, as long as a thread may take them. */
  #dispatch(): void {
    this.#tell(this.#postWaiting())
    if (this.#takeSurplus()) this.#tell(this.#postWaiting())
  }

  #postWaiting(): ReadonlyArray<Answered> {
    // Copying arguments may run code of their owner, which may call in here again. What it starts waits, and the loop
    // comes to it.
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
    if (task.handsOver) return undefined
    if (ahead === undefined) return busy < size ? this.#chooseStarting() : undefined
    return ahead.load + estimateOf(task) <= budget ? ahead : undefined
  }

  // Where no thread is ready, a job is posted to one that starts: the main thread may be blocked when that is ready, and
  // perhaps until the job has run.
  #chooseStarting(): Thread | undefined {
    if (this.#threads.some((thread) => thread.state !== "Starting")) return undefined
    return this.#threads.find((thread) => thread.live === 0 && thread.hasRoom)
  }

  /** Posts a task that is in no list, if its arguments fit into a slot, as most do. */
  #postAtOnce(task: Task, thread: Thread): boolean {
    if (task.info.refusal !== undefined) return false
    task.estimate = budgetOf(task)
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
    task.estimate = budgetOf(task)
    // It stays in the waiting list until it is posted, so that whatever its arguments run finds it there.
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

  #onMessage(thread: Thread, message: protocol.Message): void {
    if (thread.state === "Gone") return
    thread.receive(message)
    const answered = this.#collect(thread)
    // Before anybody is told: the threads work on while the callers' code runs.
    this.#dispatch()
    this.#tell(answered)
  }

  /** Takes in a thread's answers, and does what follows from them. */
  #collect(thread: Thread): Array<Answered> {
    // Not by a message of its own: draining the port takes all that came.
    if (thread.state === "Starting" && thread.isReady) this.#onReady(thread)
    const answered = thread.collect()
    if (thread.notes.length > 0) this.#logNotes(thread)
    // Its first answers: threads can be started again.
    if (this.#failures > 0 && answered.length > 0 && thread.answered === answered.length) {
      this.#failures = 0
      this.#replenish()
    }
    if (thread.answered >= this.#options.recycleAfter && !thread.replaced) {
      thread.replaced = true
      this.#replenish()
    }
    if (thread.refused) {
      this.#takeBack(thread)
      this.#end(thread)
    } else if (thread.failedLoad !== undefined) this.#retireAfterFailedLoad(thread, thread.failedLoad)
    if (thread.state === "Retiring" && thread.live === 0) this.#leave(thread)
    return answered
  }

  #logNotes(thread: Thread): void {
    for (const { cause, text } of thread.notes.splice(0)) {
      // Each thread finds the same.
      if (!this.#noted.has(text)) this.#log(text, cause)
      this.#noted.add(text)
    }
  }

  // A thread remembers that a module failed to load there; another one may load it, once what it needs is there. Not at
  // once each time: a module that never loads would cost a thread for each call.
  #retireAfterFailedLoad(thread: Thread, info: JobInfo): void {
    thread.failedLoad = undefined
    const now = this.#now()
    if (thread.state !== "Ready" || now < info.retiresFrom) return
    info.retirePause = Math.min(Math.max(2 * info.retirePause, firstRetirePause), longestPause)
    info.retiresFrom = now + info.retirePause
    thread.state = "Retiring"
    thread.replaced = true
    this.#takeBack(thread)
    this.#replenish()
  }

  #tell(answered: ReadonlyArray<Answered>): void {
    if (answered.length === 0) return
    this.#settled += answered.length
    this.#forget(answered.length)
    for (const { exit, task, times } of answered) {
      // Both run the caller's code (T8): its tracer, and observers of its fiber.
      if (times !== undefined) this.#tellTimes(task, times)
      try {
        task.resume(exit)
      } catch (cause) {
        this.#log(`a caller of ${task.info.name} threw when it received its result`, cause)
      }
    }
  }

  #tellTimes({ call, info }: Task, times: readonly [queueTime: number, runTime: number]): void {
    try {
      call.onTimes?.(...times)
    } catch (cause) {
      this.#log(`a tracer threw when it was told the times of ${info.name}`, cause)
    }
  }

  // Loggers are code of the program: they run after the step that is under way (T8).
  #log(message: string, cause: unknown): void {
    setImmediate(() => this.#options.log(`${this.#options.name}: ${message}`, cause))
  }

  #forget(count: number): void {
    this.#pending -= count
    if (this.#pending > 0 || this.#resting) return
    // The caller often has its next job at once. Looking again a little later spares two calls per thread, and a turn of
    // the event loop, for each job that comes alone.
    this.#resting = true
    let settled = this.#settled
    let since = this.#now()
    const look = () => {
      if (this.#pending === 0 && this.#referenced) {
        if (settled !== this.#settled) {
          settled = this.#settled
          since = this.#now()
        }
        if (this.#now() - since < this.#outputLimit()) return void setTimeout(look, rest)
        this.#reference(false)
      }
      this.#resting = false
    }
    setTimeout(look, rest)
  }

  /** How long the process may be kept alive for what jobs printed, in milliseconds (T10). */
  #outputLimit(): number {
    let limit = 0
    for (const { live, output } of this.#threads) {
      // A job that was abandoned may run forever.
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
    for (const worker of this.#ending) {
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

  // ------------------------------------------------------------------------------------------------ the threads' own life

  /** Starts threads until there are as many as there should be; while starting fails, one at a time and with pauses (T7). */
  #replenish(): void {
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

  // Threads that were terminated in native code end when that returns, which may be never (T9).
  #hold(): void {
    if (this.#held) return
    this.#held = true
    if (this.#referenced) for (const worker of this.#ending) worker.ref()
    const count = this.#ending.size
    this.#log(
      `${count} threads that were told to end are still running, in native code that cannot be interrupted; ` +
        "no thread is started until one has ended",
      undefined
    )
  }

  #spawn(): void {
    const { entry, env, execArgv, name, preload, resourceLimits, spin } = this.#options
    const memory = protocol.makeMemory()
    const { port1, port2 } = new MessageChannel()
    const start: protocol.Start = { memory, port: port2, spin, depth: depthOfThreads(), preload }
    let worker: Worker
    try {
      // Without a prototype: Node reads its options from there too, and so would take what was added to all objects.
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
      // Whoever asked for the thread is in the middle of a step.
      if (answered.length > 0) setImmediate(() => this.#tell(answered))
      return
    }
    const thread = new Thread(worker, port1, memory)
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
    // What was posted to threads that still start goes to those that are ready.
    for (const other of this.#threads) if (other.state === "Starting" && other.live > 0) this.#takeBack(other)
    this.#replenish()
  }

  /** The thread has ended by itself (T3). */
  #onExit(thread: Thread, exitCode: number): void {
    const { answered, begun, waiting } = thread.giveUp()
    const why = reasonOf(thread, exitCode)
    if (begun === undefined && thread.isReady && !thread.refused) {
      this.#log(`a thread without a job ended: ${describeWhy(why)}`, why.cause)
    }
    if (begun !== undefined) answered.push(crashed(begun, why, true))
    else if (thread.isReady && waiting.length > 0 && ++waiting[0]!.deaths >= 3) {
      // Its thread died each time before it could say that it had begun: reading the request may be what kills it.
      answered.push(crashed(waiting.shift()!, why, false))
    }
    for (const task of waiting.filter((task) => task.handsOver)) answered.push(crashed(task, why, false))
    this.#requeue(waiting.filter((task) => !task.handsOver))
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

  /** Terminates a thread in the background: native code that it is in may run on for a while. */
  #end(thread: Thread): void {
    this.#remove(thread)
    this.#ending.add(thread.worker)
    thread.worker.unref()
    void thread.worker.terminate()
    // Starting a thread takes about a millisecond of this one; the caller goes first.
    if (!this.#closed) setImmediate(() => this.#replenish())
  }

  /** Lets a thread without jobs end by itself, so that what its jobs printed is not lost; else terminates it. */
  #leave(thread: Thread): void {
    const { worker } = thread
    const began = this.#now()
    thread.leave()
    this.#remove(thread)
    this.#ending.add(worker)
    this.#leaving.add(worker)
    // Until then it keeps the process alive.
    worker.ref()
    const look = () => {
      if (!this.#leaving.has(worker)) return
      const limit = thread.leave() ? outputTimeout : leaveTimeout
      if (this.#now() - began < limit) return void setTimeout(look, leaveInterval)
      this.#leaving.delete(worker)
      worker.unref()
      void worker.terminate()
      this.#onEnding()
    }
    setTimeout(look, leaveInterval)
  }

  /** A thread that was told to end has ended. */
  #onEnded(worker: Worker): void {
    this.#ending.delete(worker)
    this.#leaving.delete(worker)
    if (this.#held && this.#ending.size < endingLimit(this.#options)) {
      this.#held = false
      for (const other of this.#ending) if (!this.#leaving.has(other)) other.unref()
      this.#replenish()
    }
    this.#onEnding()
  }

  #remove(thread: Thread): void {
    if (thread.isReady) this.#replaced++
    thread.state = "Gone"
    this.#threads = this.#threads.filter((other) => other !== thread)
    thread.port.close()
  }
}

const none: ReadonlyArray<Answered> = []

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

/** How many threads may be ending before no more are started (T9). */
const endingLimit = ({ size, spare }: Options): number => 2 * (size + spare)

// Node lets `--input-type` through to threads, and then refuses to load their file; from a string it may be imported.
const hasInputType = (env: NodeJS.ProcessEnv | undefined, execArgv: ReadonlyArray<string> | undefined): boolean =>
  (execArgv ?? process.execArgv).some((option) => option.startsWith("--input-type")) ||
  ((env ?? process.env)["NODE_OPTIONS"] ?? "").includes("--input-type")

/** What a task takes of its thread's budget, in milliseconds. */
const budgetOf = (task: Task): number => {
  const estimate = estimateOf(task)
  return estimate === Infinity ? budget : estimate
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
