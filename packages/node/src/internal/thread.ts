/**
 * The main thread's side of one worker thread: its ring, its port, and the jobs posted to it.
 *
 * `threads.ts` decides which job is posted to which thread. Every function is one synchronous step.
 */
import {
  type ExecutorCall,
  type ExecutorError,
  explainUncloneable,
  messageOf,
  NotCloneable,
  TaskNotFound,
  TaskThrew,
  type ThreadReplacement
} from "@aio-task-pool/core"
import * as Exit from "effect/Exit"
import { type MessagePort, receiveMessageOnPort, type Transferable, type Worker } from "node:worker_threads"
import { decode } from "./errorCodec.ts"
import * as protocol from "./protocol.ts"
import type { Linked } from "./jobQueue.ts"

/** The data on a job that all threads share. */
export interface JobInfo {
  /** The number by which the threads know it. */
  readonly id: number
  readonly url: string
  readonly name: string
  /** The smoothed time of a call, in milliseconds; Infinity before the first. */
  mean: number
  /** The time from which a failure to load its module retires the thread, on the clock that all threads share. */
  retiresFrom: number
  /** How long failures after the next one do not retire the thread, in milliseconds. */
  retirePause: number
  /** The failure of every call, after a thread has found that the module must not be loaded. */
  refusal: Exit.Exit<never, ExecutorError> | undefined
}

/** One call, from `start` to its answer. */
export interface Task extends Linked<Task> {
  readonly call: ExecutorCall
  readonly info: JobInfo
  readonly resume: (exit: Exit.Exit<unknown, ExecutorError>) => void
  readonly submittedAt: number
  /** Whether it moves objects to its thread, which is possible only once. */
  readonly transfers: boolean
  /** Where it is: in the queue, on a thread, or settled, which includes cancelled. */
  place: "Waiting" | "Settled" | Thread
  /** The number of its request on the thread. */
  request: number
  /** Its expected run time, in milliseconds. */
  estimate: number
  /** The number of threads that died when it was next, before it had begun. */
  deaths: number
}

/** A task with its result. Its caller is notified when the state of `Threads` is consistent. */
export interface Answered {
  readonly task: Task
  readonly exit: Exit.Exit<unknown, ExecutorError>
  /** Its queue time and its run time, in milliseconds, if the caller needs them. */
  readonly times?: readonly [queueTime: number, runTime: number] | undefined
}

export class Thread {
  state: "Starting" | "Ready" | "Retiring" | "Gone" = "Starting"
  /** The number of tasks on the thread that were not revoked. */
  live = 0
  /** The sum of their estimates. */
  load = 0
  /** Whether the job it runs takes much longer than expected. If so, no job is posted behind it. */
  overdue = false
  /** The number of jobs it has answered. */
  answered = 0
  /** Whether a replacement starts, because the thread has answered `recycleAfter` jobs or failed to load a module. */
  replaced = false
  /** Why it is or was replaced. */
  replacedBy: ThreadReplacement | undefined = undefined
  /** The reason for which it exits, if it reported one. */
  error: unknown = undefined
  /** The job whose module it failed to load since the last check, if any. */
  failedLoad: JobInfo | undefined = undefined
  /** Its messages for the log. */
  readonly notes: Array<{ readonly text: string; readonly cause: unknown }> = []
  /** Whether other threads would exit for the same reason. */
  unable = false
  /** Whether it exits because the module of a job must not be loaded. */
  refused = false

  readonly id: number
  readonly worker: Worker
  readonly port: MessagePort
  readonly #ring: protocol.Ring
  readonly #tasks: Array<Task | undefined> = Array.from({ length: protocol.SLOTS })
  // The jobs whose address the thread has received, as an answer showed.
  readonly #known: Array<boolean> = []
  // Answers that arrived by the port and are not yet matched with their slots.
  readonly #inbox: Array<protocol.Answer> = []
  /** The oldest request whose slot is not free. */
  #head = 0
  #posted = 0

  constructor(worker: Worker, port: MessagePort, memory: SharedArrayBuffer, id: number) {
    this.id = id
    this.worker = worker
    this.port = port
    this.#ring = protocol.ringOf(memory)
  }

  get hasRoom(): boolean {
    return this.#posted - this.#head < protocol.SLOTS
  }

  /** Posts a task if its arguments fit into a slot. Otherwise changes nothing. Returns whether the task was posted. */
  postInSlot(task: Task): boolean {
    const { call, info } = task
    if (call.each || this.#known[info.id] !== true) return false
    try {
      // Only an array with getters, or a proxy of one, runs user code here.
      if (!protocol.writeValues(this.#ring, this.#posted, call.args)) return false
    } catch {
      return false
    }
    if (this.state === "Gone") return false
    this.#publish(task, protocol.InSlot, protocol.Queued)
    return true
  }

  /**
   * Posts a waiting task to the thread. If its arguments cannot be copied, changes nothing and returns the failure.
   * Copying may run user code, so the state is consistent meanwhile and checked afterwards: that code may have
   * cancelled this task or terminated this thread. It cannot post, see `threads.ts`.
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
    // The message has been sent. The revoked slot makes the worker take it from the port.
    else if (form !== protocol.InSlot) this.#publish(task, form, protocol.Revoked)
    return undefined
  }

  /** Publishes the next request: a task, or a revoked request that makes the worker skip the message of a task. */
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

  // Writes the arguments into the slot, or sends them. If they cannot be copied, the platform throws before it sends or
  // transfers anything.
  #send({ call, info }: Task, request: number): number {
    const { args, each, transfer } = call
    const known = this.#known[info.id] === true
    if (known && !each && protocol.writeValues(this.#ring, request, args)) return protocol.InSlot
    const message: protocol.Request = known ? [args] : [args, info.url, info.name]
    this.port.postMessage(message, (transfer ?? []) as ReadonlyArray<Transferable>)
    return each ? protocol.ItemsByPort : protocol.ByPort
  }

  /** Whether the output of its jobs is written: one of the values of `OUTPUT`. */
  get output(): number {
    return Atomics.load(this.#ring.words, protocol.OUTPUT)
  }

  /** Whether the thread has reported that it takes jobs. */
  get isReady(): boolean {
    return Atomics.load(this.#ring.words, protocol.READY) === 1
  }

  /**
   * Asks the thread to end by itself after it has written the output of its jobs. Returns whether it has begun to end.
   * Must be repeated until then, because the thread may fall asleep after it was woken.
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
      // A program that runs in place of the worker may report this repeatedly.
      if (!this.unable) void this.worker.terminate()
      this.unable = true
    } else this.#inbox.push(message)
  }

  /** Receives the messages that the port has not delivered yet. */
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

  /** Returns the answers that have arrived, oldest first, and frees their slots. */
  collect(): Array<Answered> {
    const { doubles, words } = this.#ring
    const answered: Array<Answered> = []
    // Reset before the slots are read, so that a later answer signals again.
    Atomics.store(words, protocol.SIGNALLED, 0)
    for (; this.#head !== this.#posted; this.#head++) {
      const request = this.#head
      const state = Atomics.load(words, protocol.stateOf(request))
      if (state === protocol.Skipped) continue
      const task = this.#tasks[request & (protocol.SLOTS - 1)]!
      let exit: Exit.Exit<unknown, ExecutorError>
      if (state === protocol.Done) exit = Exit.succeed(protocol.readResult(this.#ring, request))
      else if (state === protocol.Started && this.#inbox.length > 0)
        exit = this.#receiveAnswer(this.#inbox.shift()!, task)
      else break
      const start = doubles[protocol.startOf(request)]!
      const runTime = doubles[protocol.endOf(request)]! - start
      learn(task, runTime)
      if (Exit.isSuccess(exit)) {
        this.#known[task.info.id] = true
        if (task.info.retirePause !== 0) resetRetirement(task.info)
      }
      this.answered++
      this.overdue = false
      if (!this.#release(task)) continue
      // Every answer has the same shape, although most calls need no times.
      answered.push({
        task,
        exit,
        // The clocks of two threads differ by a little.
        times: task.call.onTimes === undefined ? undefined : [Math.max(0, start - task.submittedAt), runTime]
      })
    }
    return answered
  }

  #receiveAnswer(answer: protocol.Answer, task: Task): Exit.Exit<unknown, ExecutorError> {
    if ("kind" in answer && answer.kind === "notFound") {
      if (answer.final === true) this.refused = true
      else if (answer.cause !== undefined) this.failedLoad = task.info
    }
    return exitOf(answer, task)
  }

  /** Revokes a task unless it has begun. Returns whether it was revoked. */
  revoke(task: Task): boolean {
    const index = protocol.stateOf(task.request)
    if (Atomics.compareExchange(this.#ring.words, index, protocol.Queued, protocol.Revoked) !== protocol.Queued)
      return false
    this.#release(task)
    return true
  }

  /** Revokes and returns every task that has not begun, oldest first. */
  revokeAll(): Array<Task> {
    return this.#each().filter((task) => this.revoke(task))
  }

  /** Revokes and returns those of the `count` newest tasks that have not begun, oldest first. */
  revokeNewest(count: number): Array<Task> {
    return this.#each()
      .slice(-count)
      .filter((task) => this.revoke(task))
  }

  /** Returns whether the task is on this thread without an answer. */
  holds(task: Task): boolean {
    return this.#tasks[task.request & (protocol.SLOTS - 1)] === task
  }

  /**
   * Removes all tasks from a thread that is dead or will be terminated. Returns its answers, the task that had begun,
   * and those that had not, oldest first. Revokes before it collects the answers: otherwise the thread could answer one
   * task and begin the next in between.
   */
  takeAll(): {
    readonly answered: Array<Answered>
    /** Whether it was running a job. */
    readonly busy: boolean
    /** The job that it was running, if a caller waits for it. */
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

  /** When the running job began, if there is one, on the clock that all threads share. */
  get runningSince(): number | undefined {
    const { doubles, words } = this.#ring
    for (let request = this.#head; request !== this.#posted; request++) {
      const state = Atomics.load(words, protocol.stateOf(request))
      if (state === protocol.Started) return doubles[protocol.startOf(request)]
    }
    return undefined
  }

  /** The number of its tasks that have not begun. */
  get queued(): number {
    const { words } = this.#ring
    return this.#each().filter((task) => Atomics.load(words, protocol.stateOf(task.request)) === protocol.Queued).length
  }

  /** The name of the job that it runs; `undefined` if it runs none. */
  get runningJob(): string | undefined {
    const { words } = this.#ring
    return this.#each().find((task) => Atomics.load(words, protocol.stateOf(task.request)) !== protocol.Queued)?.info
      .name
  }

  #each(): Array<Task> {
    const tasks: Array<Task> = []
    for (let request = this.#head; request !== this.#posted; request++) {
      const task = this.#tasks[request & (protocol.SLOTS - 1)]
      if (task !== undefined) tasks.push(task)
    }
    return tasks
  }

  // Returns whether a caller still waits for the task.
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

/** Returns the answer that replaces one which the platform could not read. */
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

const resetRetirement = (info: JobInfo): void => {
  info.retiresFrom = 0
  info.retirePause = 0
}

// A short job looks slow when the operating system suspends its thread, so the weight of one call is limited.
const learn = ({ call, info }: Task, runTime: number): void => {
  const time = call.each ? runTime / Math.max(1, call.args.length) : runTime
  info.mean = info.mean === Infinity ? time : 0.8 * info.mean + 0.2 * Math.min(time, 8 * info.mean + 0.01)
}
