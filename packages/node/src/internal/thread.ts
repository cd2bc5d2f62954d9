/**
 * The main thread's side of one worker thread: its ring, its port, and what was posted to it.
 *
 * It knows nothing of other threads; `threads.ts` decides what is posted where. Every function is one synchronous step.
 */
import {
  type ExecutorCall,
  type ExecutorError,
  findUncloneable,
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
  /** Whether a thread was seen to have loaded its module. */
  loaded: boolean
  /** The failure of every call, once a thread has found that its module must not be loaded. */
  refusal: Exit.Exit<never, ExecutorError> | undefined
}

/** One call, from `start` to its answer. */
export interface Task extends Linked<Task> {
  readonly call: ExecutorCall
  readonly info: JobInfo
  readonly resume: (exit: Exit.Exit<unknown, ExecutorError>) => void
  readonly submittedAt: number
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
  /** Whether other threads would have to exit for the same reason. */
  unable = false

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

  /** Hands a task to the thread; answers why it cannot be, if so, and then nothing has changed. */
  post(task: Task): NotCloneable | undefined {
    const ring = this.#ring
    const { words } = ring
    const { call, info } = task
    const request = this.#posted
    if (this.#known[info.id] === true && !call.each && protocol.writeValues(ring, request, call.args)) {
      words[protocol.formOf(request)] = protocol.InSlot
    } else {
      const problem = this.#send(call, info)
      if (problem !== undefined) return problem
      words[protocol.formOf(request)] = call.each ? protocol.ItemsByPort : protocol.ByPort
    }
    words[protocol.jobOf(request)] = info.id
    task.place = this
    task.request = request
    this.#tasks[request & (protocol.SLOTS - 1)] = task
    this.live++
    this.load += task.estimate
    words[protocol.stateOf(request)] = protocol.Queued
    this.#posted = request + 1
    Atomics.store(words, protocol.POSTED, this.#posted | 0)
    this.#wake()
    return undefined
  }

  /** Asks the thread to end by itself, when it has written what its jobs printed. */
  leave(): void {
    Atomics.store(this.#ring.words, protocol.LEAVING, 1)
    this.#wake()
  }

  #wake(): void {
    const { port } = this
    const { words } = this.#ring
    const sleeping = Atomics.load(words, protocol.SLEEPING)
    if (sleeping === protocol.InWait) Atomics.notify(words, protocol.POSTED)
    else if (sleeping === protocol.InEventLoop) port.postMessage(null)
  }

  // Refusing to clone is thrown by the platform, before anything is sent or handed over.
  #send(call: ExecutorCall, { id, name, url }: JobInfo): NotCloneable | undefined {
    try {
      const request: protocol.Request = this.#known[id] === true ? [call.args] : [call.args, url, name]
      this.port.postMessage(request, (call.transfer ?? []) as ReadonlyArray<Transferable>)
      return undefined
    } catch (error) {
      return new NotCloneable({
        task: name,
        direction: "argument",
        path: findUncloneable(call.args, call.transfer)?.path ?? "",
        reason: error instanceof Error ? error.message : String(error)
      })
    }
  }

  receive(answer: protocol.Answer): void {
    if ("kind" in answer && answer.kind === "unable") {
      this.error = decode(answer.cause)
      this.unable = true
      void this.worker.terminate()
    } else this.#inbox.push(answer)
  }

  /** Takes in what the port has not delivered yet. */
  drainPort(): void {
    for (;;) {
      try {
        const received = receiveMessageOnPort(this.port)
        if (received === undefined) return
        if (received.message !== null) this.receive(received.message)
      } catch (error) {
        this.#inbox.push(unreadable(error))
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
      else if (state === protocol.Started && this.#inbox.length > 0) exit = exitOf(this.#inbox.shift()!, task)
      else break
      const start = doubles[protocol.startOf(request)]!
      const runTime = doubles[protocol.endOf(request)]! - start
      learn(task, runTime)
      if (Exit.isSuccess(exit)) {
        this.#known[task.info.id] = true
        task.info.loaded = true
      }
      this.answered++
      this.overdue = false
      if (!this.#release(task)) continue
      task.call.onTimes?.(start - task.submittedAt, runTime)
      answered.push({ task, exit })
    }
    return answered
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

  /** The tasks that a dead thread leaves, oldest first: the one that had begun, and those that had not. */
  abandon(): { readonly begun: Task | undefined; readonly waiting: Array<Task> } {
    const waiting = this.revokeAll()
    const begun = this.#each()[0]
    if (begun === undefined || !this.#release(begun)) return { begun: undefined, waiting }
    return { begun, waiting }
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
  reason: error instanceof Error ? error.message : String(error)
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
    case "ready":
    case "unable":
      return Exit.void
  }
}

// A thread that the machine puts aside for a moment makes a quick job look slow, so one call counts for a little only.
const learn = ({ call, info }: Task, runTime: number): void => {
  const time = call.each ? runTime / Math.max(1, call.args.length) : runTime
  info.mean = info.mean === Infinity ? time : 0.8 * info.mean + 0.2 * Math.min(time, 8 * info.mean + 0.01)
}
