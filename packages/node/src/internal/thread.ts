/**
 * The main thread's side of one worker thread: its ring, its port, and what was posted to it.
 *
 * It knows nothing of other threads; `threads.ts` decides what is posted where. Every function is one synchronous step.
 */
import {
  type ExecutorCall,
  type ExecutorError,
  explainUncloneable,
  messageOf,
  NotCloneable,
  TaskNotFound,
  TaskThrew
} from "@aio-task-pool/core"
import * as Exit from "effect/Exit"
import { type MessagePort, receiveMessageOnPort, type Transferable, type Worker } from "node:worker_threads"
import { decode } from "./errorCodec.ts"
import * as protocol from "./protocol.ts"
import type { Linked } from "./waitingList.ts"

/** What is known of a job, the same for all threads. */
export interface JobInfo {
  /** What the threads call it. */
  readonly id: number
  readonly url: string
  readonly name: string
  /** How long a call takes, in milliseconds, as far as the last ones tell; Infinity before the first. */
  mean: number
  /** From when on a failure to load its module retires the thread, on the threads' clock. */
  retiresFrom: number
  /** How long the next failure then does not, in milliseconds. */
  retirePause: number
  /** The failure of every call, once a thread has found that its module must not be loaded. */
  refusal: Exit.Exit<never, ExecutorError> | undefined
}

/** One call, from `start` to its answer. */
export interface Task extends Linked<Task> {
  readonly call: ExecutorCall
  readonly info: JobInfo
  readonly resume: (exit: Exit.Exit<unknown, ExecutorError>) => void
  readonly submittedAt: number
  /** Whether it hands objects over to its thread, which can be done only once. */
  readonly handsOver: boolean
  /** Where it is: in the waiting list, on a thread, or answered (or nobody waits for it any more). */
  place: "Waiting" | "Settled" | Thread
  /** Which of the thread's requests it is. */
  request: number
  /** How long it is expected to keep its thread busy, in milliseconds. */
  estimate: number
  /** How many threads died when it was next, before it had begun. */
  deaths: number
}

/** A task with its answer, to be told when the machine's own state is in order. */
export interface Answered {
  readonly task: Task
  readonly exit: Exit.Exit<unknown, ExecutorError>
  /** Its queue time and its run time, in milliseconds. */
  readonly times?: readonly [queueTime: number, runTime: number] | undefined
}

export class Thread {
  state: "Starting" | "Ready" | "Retiring" | "Gone" = "Starting"
  /** Tasks on the thread that were not revoked. */
  live = 0
  /** The sum of their estimates. */
  load = 0
  /** Whether the job it runs takes much longer than expected: nothing is posted behind that. */
  overdue = false
  /** Jobs it has answered. */
  answered = 0
  /** Whether a replacement is on its way, because the thread has answered enough. */
  replaced = false
  /** Why it is about to exit, if it said so. */
  error: unknown = undefined
  /** The job whose module it could not load just now, if so. */
  failedLoad: JobInfo | undefined = undefined
  /** What it said for the log. */
  readonly notes: Array<{ readonly text: string; readonly cause: unknown }> = []
  /** Whether other threads would have to exit for the same reason. */
  unable = false
  /** Whether it exits because the module of a job must not be loaded. */
  refused = false

  readonly worker: Worker
  readonly port: MessagePort
  readonly #ring: protocol.Ring
  readonly #tasks: Array<Task | undefined> = Array.from({ length: protocol.SLOTS })
  // The jobs whose address it has, as an answer showed.
  readonly #known: Array<boolean> = []
  // Answers that came by the port, not yet matched with their slots.
  readonly #inbox: Array<protocol.Answer> = []
  /** The oldest request whose slot is not free. */
  #head = 0
  #posted = 0

  constructor(worker: Worker, port: MessagePort, memory: SharedArrayBuffer) {
    this.worker = worker
    this.port = port
    this.#ring = protocol.ringOf(memory)
  }

  get hasRoom(): boolean {
    return this.#posted - this.#head < protocol.SLOTS
  }

  /** Hands a task to the thread if its arguments fit into a slot, and returns whether it has; otherwise nothing changes. */
  postInSlot(task: Task): boolean {
    const { call, info } = task
    if (call.each || this.#known[info.id] !== true) return false
    try {
      // Only an array with getters, or a proxy of one, runs code here.
      if (!protocol.writeValues(this.#ring, this.#posted, call.args)) return false
    } catch {
      return false
    }
    if (this.state === "Gone") return false
    this.#publish(task, protocol.InSlot, protocol.Queued)
    return true
  }

  /**
   * Hands a waiting task to the thread; returns why it cannot be, and then nothing has changed. Copying its arguments may
   * run code of the caller, so nothing is half done meanwhile, and what it did is looked at afterwards: it may have
   * cancelled this very task, or ended this thread. It cannot post, see `threads.ts`.
   */
  post(task: Task): NotCloneable | undefined {
    const { call } = task
    let form: number
    try {
      form = this.#send(task, this.#posted)
    } catch (error) {
      return new NotCloneable({
        task: task.info.name,
        direction: "argument",
        ...explainUncloneable(call.args, call.transfer, error)
      })
    }
    if (this.state === "Gone") return undefined
    if (task.place === "Waiting") this.#publish(task, form, protocol.Queued)
    // Its message has been sent; the slot makes the worker take it.
    else if (form !== protocol.InSlot) this.#publish(task, form, protocol.Revoked)
    return undefined
  }

  /** Posts what is in the slot or on the port: a task, or what makes the worker pass over its message. */
  #publish(task: Task, form: number, state: typeof protocol.Queued | typeof protocol.Revoked): void {
    const request = this.#posted
    const { words } = this.#ring
    if (state === protocol.Queued) {
      task.place = this
      task.request = request
      this.#tasks[request & (protocol.SLOTS - 1)] = task
      this.live++
      this.load += task.estimate
    }
    words[protocol.formOf(request)] = form
    words[protocol.jobOf(request)] = task.info.id
    words[protocol.stateOf(request)] = state
    this.#posted = request + 1
    Atomics.store(words, protocol.POSTED, this.#posted | 0)
    this.#wake()
  }

  // Writes the arguments into the slot, or sends them; refusing to copy is thrown by the platform, before anything is
  // sent or handed over.
  #send({ call, info }: Task, request: number): number {
    const { args, each, transfer } = call
    const known = this.#known[info.id] === true
    if (known && !each && protocol.writeValues(this.#ring, request, args)) return protocol.InSlot
    const message: protocol.Request = known ? [args] : [args, info.url, info.name]
    this.port.postMessage(message, (transfer ?? []) as ReadonlyArray<Transferable>)
    return each ? protocol.ItemsByPort : protocol.ByPort
  }

  /** Whether what its jobs printed is written: one of the values of `OUTPUT`. */
  get output(): number {
    return Atomics.load(this.#ring.words, protocol.OUTPUT)
  }

  /** Whether the thread has said that it takes jobs. */
  get isReady(): boolean {
    return Atomics.load(this.#ring.words, protocol.READY) === 1
  }

  /**
   * Asks the thread to end by itself, when it has written what its jobs printed; returns whether it has begun to. Must be
   * repeated until then: the thread may fall asleep after it was woken.
   */
  leave(): boolean {
    const { words } = this.#ring
    if (Atomics.compareExchange(words, protocol.LEAVING, 0, protocol.Asked) === protocol.Writing) return true
    this.#wake()
    return false
  }

  #wake(): void {
    const { port } = this
    const { words } = this.#ring
    const sleeping = Atomics.load(words, protocol.SLEEPING)
    if (sleeping === protocol.InWait) Atomics.notify(words, protocol.POSTED)
    else if (sleeping === protocol.InEventLoop) port.postMessage(null)
  }

  receive(message: protocol.Message): void {
    if (message === null) return
    if ("kind" in message && message.kind === "log") {
      this.notes.push({ text: message.text, cause: decode(message.cause) })
    } else if ("kind" in message && message.kind === "unable") {
      this.error = decode(message.cause)
      // A program that runs instead of the worker may say so again and again.
      if (!this.unable) void this.worker.terminate()
      this.unable = true
    } else this.#inbox.push(message)
  }

  /** Takes in what the port has not delivered yet. */
  drainPort(): void {
    for (;;) {
      try {
        const received = receiveMessageOnPort(this.port)
        if (received === undefined) return
        this.receive(received.message)
      } catch (error) {
        this.receive(unreadable(error))
      }
    }
  }

  /** Takes the answers that are there, oldest first, and frees their slots. */
  collect(): Array<Answered> {
    const { doubles, words } = this.#ring
    const answered: Array<Answered> = []
    // Before the slots are looked at: an answer that comes later signals again.
    Atomics.store(words, protocol.SIGNALLED, 0)
    for (; this.#head !== this.#posted; this.#head++) {
      const request = this.#head
      const state = Atomics.load(words, protocol.stateOf(request))
      if (state === protocol.Skipped) continue
      const task = this.#tasks[request & (protocol.SLOTS - 1)]!
      let exit: Exit.Exit<unknown, ExecutorError>
      if (state === protocol.Done) exit = Exit.succeed(protocol.readResult(this.#ring, request))
      else if (state === protocol.Started && this.#inbox.length > 0) exit = this.#takeIn(this.#inbox.shift()!, task)
      else break
      const start = doubles[protocol.startOf(request)]!
      const runTime = doubles[protocol.endOf(request)]! - start
      learn(task, runTime)
      if (Exit.isSuccess(exit)) {
        this.#known[task.info.id] = true
        if (task.info.retirePause !== 0) loads(task.info)
      }
      this.answered++
      this.overdue = false
      if (!this.#release(task)) continue
      // One shape for all: most calls want no times.
      answered.push({
        task,
        exit,
        times: task.call.onTimes === undefined ? undefined : [start - task.submittedAt, runTime]
      })
    }
    return answered
  }

  #takeIn(answer: protocol.Answer, task: Task): Exit.Exit<unknown, ExecutorError> {
    if ("kind" in answer && answer.kind === "notFound") {
      if (answer.final === true) this.refused = true
      else if (answer.cause !== undefined) this.failedLoad = task.info
    }
    return exitOf(answer, task)
  }

  /** Takes a task back unless it has begun. */
  revoke(task: Task): boolean {
    const index = protocol.stateOf(task.request)
    if (Atomics.compareExchange(this.#ring.words, index, protocol.Queued, protocol.Revoked) !== protocol.Queued)
      return false
    this.#release(task)
    return true
  }

  /** Takes back every task that has not begun, oldest first. */
  revokeAll(): Array<Task> {
    return this.#each().filter((task) => this.revoke(task))
  }

  /** Takes back up to so many of the newest tasks, as long as they have not begun; oldest first. */
  revokeNewest(count: number): Array<Task> {
    return this.#each()
      .slice(-count)
      .filter((task) => this.revoke(task))
  }

  /** Whether the task is on this thread without an answer. */
  holds(task: Task): boolean {
    return this.#tasks[task.request & (protocol.SLOTS - 1)] === task
  }

  /**
   * Takes everything off a thread that is dead or will be ended: its answers, the task that had begun, and those that had
   * not, oldest first. Revokes first: a thread that works on meanwhile could answer one task and begin the next between
   * a look at the answers and a look at the rest.
   */
  giveUp(): {
    readonly answered: Array<Answered>
    /** Whether it was running a job. */
    readonly busy: boolean
    /** The job that it was running, if a caller waits for that. */
    readonly begun: Task | undefined
    readonly waiting: Array<Task>
  } {
    const waiting = this.revokeAll()
    this.drainPort()
    const answered = this.collect()
    const begun = this.#each()[0]
    if (begun === undefined) return { answered, busy: false, begun, waiting }
    return { answered, busy: true, begun: this.#release(begun) ? begun : undefined, waiting }
  }

  /** Since when the job at the head has been running, if one is; on the threads' own clock. */
  get runningSince(): number | undefined {
    const { doubles, words } = this.#ring
    for (let request = this.#head; request !== this.#posted; request++) {
      const state = Atomics.load(words, protocol.stateOf(request))
      if (state === protocol.Started) return doubles[protocol.startOf(request)]
    }
    return undefined
  }

  /** How many of its tasks have not begun. */
  get queued(): number {
    const { words } = this.#ring
    return this.#each().filter((task) => Atomics.load(words, protocol.stateOf(task.request)) === protocol.Queued).length
  }

  #each(): Array<Task> {
    const tasks: Array<Task> = []
    for (let request = this.#head; request !== this.#posted; request++) {
      const task = this.#tasks[request & (protocol.SLOTS - 1)]
      if (task !== undefined) tasks.push(task)
    }
    return tasks
  }

  // Answers whether somebody still waits for the task.
  #release(task: Task): boolean {
    this.#tasks[task.request & (protocol.SLOTS - 1)] = undefined
    this.live--
    // Sums of fractions drift; an idle thread has no load.
    this.load = this.live === 0 ? 0 : this.load - task.estimate
    if (task.place === "Settled") return false
    task.place = "Settled"
    return true
  }
}

/** Stands for an answer that the platform could not read back. */
export const unreadable = (error: unknown): protocol.Answer => ({
  kind: "notCloneable",
  direction: "result",
  path: "",
  reason: messageOf(error)
})

const exitOf = (answer: protocol.Answer, { info }: Task): Exit.Exit<unknown, ExecutorError> => {
  const { name: task, url } = info
  if ("length" in answer) return Exit.succeed(answer[0])
  switch (answer.kind) {
    case "threw":
      return Exit.fail(new TaskThrew({ task, cause: decode(answer.cause) }))
    case "notCloneable":
      return Exit.fail(
        new NotCloneable({ task, direction: answer.direction, path: answer.path, reason: answer.reason })
      )
    case "notFound": {
      const exit = Exit.fail(
        new TaskNotFound({
          task,
          url,
          reason: answer.reason,
          cause: answer.cause === undefined ? undefined : decode(answer.cause)
        })
      )
      if (answer.final === true) info.refusal = exit
      return exit
    }
  }
}

const loads = (info: JobInfo): void => {
  info.retiresFrom = 0
  info.retirePause = 0
}

// A thread that the machine puts aside for a moment makes a quick job look slow, so one call counts for a little only.
const learn = ({ call, info }: Task, runTime: number): void => {
  const time = call.each ? runTime / Math.max(1, call.args.length) : runTime
  info.mean = info.mean === Infinity ? time : 0.8 * info.mean + 0.2 * Math.min(time, 8 * info.mean + 0.01)
}
