/**
 * Adds tasks to the queue. What gathers while one transfer is under way goes out with the next one.
 *
 * A task that has not been sent can be taken back for certain, so tasks wait here while the broker is away. After a broken
 * transfer nobody knows which of its tasks arrived. They are sent again, one by one: a job ID never makes a second job.
 * Their callers wait for that no longer than for any other operation, until the broker's patience ends.
 */
import type { BulkJobOptions, Queue } from "bullmq"
import type { Broker } from "./broker.ts"
import { whenSettled } from "./promises.ts"
import { timerMillis } from "./timers.ts"
import type { Waiters } from "./waiters.ts"

/** One task on its way. */
export interface Sending {
  readonly name: string
  /** Whether the pool may have a task of its ID already. */
  readonly isNamed: boolean
  readonly data: unknown
  readonly opts: BulkJobOptions & { readonly jobId: string }
  state: "Queued" | "Sent" | "Done"
  /** Whether the text is the data of a job that this sending has made. */
  owns(data: string | null | undefined): boolean
  /** The broker has the task. */
  onAdmitted(): void
  /** The broker does not have the task. */
  onRefused(reason: "Unreachable" | "Closed"): void
  /** The broker has not said for too long whether it has the task. It may still admit or refuse it. */
  onUnknown(reason: "Unreachable" | "Closed"): void
}

/** What a sender needs of its submitter. */
export interface SenderHost {
  readonly broker: Broker
  readonly waiters: Waiters
  expire(jobIds: ReadonlyArray<string>): Promise<unknown>
}

/** How long the pool's closing leaves a broker that is up to say whether it has what was sent, in milliseconds. */
const answerAfterClose = 1000

/** The most tasks of one transfer. Redis serves others between two of its commands. */
const full = 250

export class Sender {
  private readonly submitter: SenderHost
  private readonly broker: Broker
  private readonly queue: Queue
  private readonly waiters: Waiters
  private readonly log: (message: string) => void
  /** Tasks that have not been sent, in transfers. Only the last one is not full. */
  private pending: Array<Array<Sending>> = []
  /** Transfers that have not been answered. */
  private inFlight = 0
  private isScheduled = false
  private timer: ReturnType<typeof setTimeout> | undefined
  /** Tasks that were sent and whose callers wait. */
  private readonly sent = new Set<Sending>()
  private lossTimer: ReturnType<typeof setTimeout> | undefined
  private readonly idleWatchers = new Set<() => void>()

  constructor(submitter: SenderHost, queue: Queue, log: (message: string) => void) {
    this.submitter = submitter
    this.broker = submitter.broker
    this.queue = queue
    this.waiters = submitter.waiters
    this.log = log
  }

  send(sending: Sending): void {
    const last = this.pending.at(-1)
    if (last !== undefined && last.length < full) last.push(sending)
    else this.pending.push([sending])
    if (this.isScheduled) return
    // Fibers that are resumed together submit in the same turn: one transfer for all of them.
    this.isScheduled = true
    queueMicrotask(() => {
      this.isScheduled = false
      this.flush()
    })
  }

  /** Takes a task back that has not been sent. Returns whether it could. The next transfer drops it. */
  takeBack(sending: Sending): boolean {
    if (sending.state !== "Queued") return false
    sending.state = "Done"
    return true
  }

  private flush(): void {
    // Full transfers follow each other at once, so that the server works on one while the next is encoded.
    while (this.pending.length > 1 || (this.pending.length === 1 && this.canSend(this.pending[0]!))) {
      if (!this.broker.isUp) return this.wait()
      clearTimeout(this.timer)
      this.timer = undefined
      this.inFlight++
      const batch = this.pending.shift()!.filter(({ state }) => state === "Queued")
      for (const sending of batch) {
        sending.state = "Sent"
        this.sent.add(sending)
      }
      const flushed = () => {
        this.inFlight--
        this.flush()
      }
      whenSettled(this.transfer(batch), flushed, flushed)
    }
  }

  /** The caller of a task that was sent has its answer. */
  forget(sending: Sending): void {
    this.sent.delete(sending)
    this.notifyIdle()
  }

  /** Calls back once when the callers of all tasks that were sent have their answers. Returns how to stop waiting. */
  whenIdle(callback: () => void): () => void {
    this.idleWatchers.add(callback)
    this.notifyIdle()
    return () => void this.idleWatchers.delete(callback)
  }

  private notifyIdle(): void {
    if (this.sent.size > 0 || this.idleWatchers.size === 0) return
    const watchers = Array.from(this.idleWatchers)
    this.idleWatchers.clear()
    for (const watcher of watchers) watcher()
  }

  /** Contact was lost or found. When the broker's patience ends, the callers of tasks that were sent wait no longer. */
  onContact(isUp: boolean): void {
    clearTimeout(this.lossTimer)
    if (isUp) return
    this.lossTimer = setTimeout(() => {
      if (!this.broker.isUp) this.giveUp("Unreachable")
    }, timerMillis(this.broker.patience))
  }

  private giveUp(reason: "Unreachable" | "Closed"): void {
    const given = Array.from(this.sent)
    this.sent.clear()
    for (const sending of given) sending.onUnknown(reason)
    this.notifyIdle()
  }

  private canSend(batch: ReadonlyArray<Sending>): boolean {
    return this.inFlight === 0 || batch.length === full
  }

  private wait(): void {
    if (this.timer !== undefined) return
    if (this.broker.isLost) return this.refuseAll(this.broker.isClosed ? "Closed" : "Unreachable")
    const { patience } = this.broker
    const stop = this.broker.whenUp(() => {
      clearTimeout(this.timer)
      this.timer = undefined
      this.flush()
    })
    this.timer = setTimeout(() => {
      this.timer = undefined
      stop()
      if (this.broker.isUp) this.flush()
      else this.refuseAll("Unreachable")
    }, timerMillis(patience))
  }

  /**
   * The pool closes in this process. Nothing will say whether a broker that is away has what was sent. One that counts as
   * up may be frozen.
   */
  close(): void {
    clearTimeout(this.lossTimer)
    this.refuseAll("Closed")
    if (this.broker.isUp) this.lossTimer = setTimeout(() => this.giveUp("Closed"), answerAfterClose).unref()
    else this.giveUp("Closed")
  }

  /** Refuses all tasks that have not been sent. */
  refuseAll(reason: "Unreachable" | "Closed"): void {
    const refused = this.pending.flat()
    this.pending = []
    for (const sending of refused) {
      if (sending.state !== "Queued") continue
      sending.state = "Done"
      sending.onRefused(reason)
    }
  }

  private async transfer(batch: ReadonlyArray<Sending>): Promise<void> {
    const isReady = await this.prepare(batch).then(
      () => true,
      () => false
    )
    const isSent =
      isReady &&
      (await this.queue.addBulk([...batch]).then(
        () => true,
        () => false
      ))
    if (isSent) for (const sending of batch) admit(sending)
    else for (const sending of batch) await this.transferOne(sending)
  }

  /** Without the reader the event of a quick task would be missed. A result that has expired must not answer a new task. */
  private prepare(batch: ReadonlyArray<Sending>): Promise<unknown> {
    const named = batch.filter(({ isNamed }) => isNamed).map(({ opts }) => opts.jobId)
    const listening = this.waiters.listen()
    return named.length === 0 ? listening : listening.then(() => this.submitter.expire(named))
  }

  private async transferOne(sending: Sending): Promise<void> {
    while (sending.state === "Sent") {
      if (this.broker.isLost) return refuse(sending, this.broker.isClosed ? "Closed" : "Unreachable")
      await new Promise<void>((resolve) => void this.broker.whenUp(resolve))
      await this.prepare([sending])
        .then(() => this.queue.add(sending.name, sending.data, sending.opts))
        .then(
          () => admit(sending),
          (error: unknown) => this.failed(sending, error)
        )
    }
  }

  /** The server refused the task, or the connection broke. In the latter case the task is sent again. */
  private async failed(sending: Sending, error: unknown): Promise<void> {
    if (!isReplyError(error)) return new Promise((resolve) => setTimeout(resolve, 100))
    this.log(`the broker refused a task: ${error.message}`)
    // A script that failed half way has left a job that no worker would find. Another submitter's job has the result.
    const { client, keys } = this.broker
    const data = await client.hget(`${keys.base}${sending.opts.jobId}`, "data").catch(() => undefined)
    if (sending.owns(data)) await this.queue.remove(sending.opts.jobId).catch(() => undefined)
    refuse(sending, "Unreachable")
  }
}

const admit = (sending: Sending): void => {
  if (sending.state !== "Sent") return
  sending.state = "Done"
  sending.onAdmitted()
}

const refuse = (sending: Sending, reason: "Unreachable" | "Closed"): void => {
  if (sending.state !== "Sent") return
  sending.state = "Done"
  sending.onRefused(reason)
}

/** Whether the server itself returned the error. */
const isReplyError = (error: unknown): error is Error =>
  error instanceof Error && error.name === "ReplyError" && !/^(?:LOADING|READONLY|MASTERDOWN)/.test(error.message)
