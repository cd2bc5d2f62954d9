/**
 * The tasks that this process waits for, and what settles them.
 *
 * The event stream settles nearly all. Events can be lost: the stream keeps about 10,000, and a broker may come back
 * without its data. So a sweep asks for each task that has waited for a while, and after each reconnection for all.
 *
 * A waiter is registered before its task is sent, so that the event cannot come before it.
 */
import type { Redis } from "ioredis"
import type { Answer } from "../../internal/wire.ts"
import { parseAnswer } from "../../internal/codec.ts"
import type { Broker } from "./broker.ts"
import type { Connections } from "./connections.ts"
import { taskIdOf } from "./keys.ts"
import { parseJson } from "./json.ts"
import { whenSettled } from "./promises.ts"
import { type JobState, jobStates, runScript } from "./scripts.ts"
import { type Fields, StreamReader } from "./streamReader.ts"
import { timerMillis } from "./timers.ts"

const listen = <A>(listeners: Array<A>, listener: A): (() => void) => {
  listeners.push(listener)
  return () => {
    const at = listeners.indexOf(listener)
    if (at >= 0) listeners.splice(at, 1)
  }
}

/** One task that this process waits for. */
export class Waiter {
  readonly jobId: string
  /** Whether this process has added the task. */
  created = false
  /** Whether the pool has the task: before that, no sweep may ask for it. */
  admitted = false
  /** Whether the task has started, as far as this process has seen. */
  started = false
  answer: Answer | undefined
  private listeners: Array<(answer: Answer) => void> | undefined
  private progressListeners: Array<(value: unknown) => void> | undefined
  /** When a sweep may ask next, in milliseconds of the monotonic clock. */
  askAt: number

  constructor(jobId: string, askAt: number) {
    this.jobId = jobId
    this.askAt = askAt
  }

  /** Calls back with the answer, at once if there is one. Returns how to stop. */
  onAnswer(listener: (answer: Answer) => void): () => void {
    if (this.answer !== undefined) {
      listener(this.answer)
      return () => {}
    }
    return listen((this.listeners ??= []), listener)
  }

  onProgress(listener: (value: unknown) => void): () => void {
    return listen((this.progressListeners ??= []), listener)
  }

  progress(value: unknown): void {
    // A listener may remove itself.
    for (const listener of this.progressListeners?.slice() ?? []) listener(value)
  }

  settle(answer: Answer): void {
    if (this.answer !== undefined) return
    this.answer = answer
    // A listener may end a fiber that removes another one.
    const listeners = this.listeners?.slice() ?? []
    this.listeners = undefined
    for (const listener of listeners) listener(answer)
  }

  get isWatched(): boolean {
    return (this.listeners?.length ?? 0) + (this.progressListeners?.length ?? 0) > 0
  }
}

/** Jobs whose state one script asks for. */
const chunk = 500
const stalledTooOften = "job stalled more than allowable limit"
const poisoned = "its leases ended maxDeaths times, because its processes died or were blocked"

export class Waiters {
  private readonly broker: Broker
  private readonly connections: Connections
  private readonly sweepInterval: number
  private readonly waiters = new Map<string, Waiter>()
  private readonly onLost: (id: string, answer: Answer) => void
  private reader: StreamReader | undefined
  private readerClient: Redis | undefined
  private listening: Promise<void> | undefined
  private timer: ReturnType<typeof setTimeout> | undefined
  private isClosed = false

  constructor(
    broker: Broker,
    connections: Connections,
    sweepInterval: number,
    onLost: (id: string, answer: Answer) => void
  ) {
    this.broker = broker
    this.connections = connections
    this.sweepInterval = sweepInterval
    this.onLost = onLost
  }

  [Symbol.iterator](): IterableIterator<Waiter> {
    return this.waiters.values()
  }

  get(jobId: string): Waiter | undefined {
    return this.waiters.get(jobId)
  }

  /** Returns the waiter of a job, which is new if none of this process waits for it. */
  register(jobId: string): Waiter {
    const known = this.waiters.get(jobId)
    if (known !== undefined) return known
    const waiter = new Waiter(jobId, performance.now() + this.sweepInterval)
    this.waiters.set(jobId, waiter)
    return waiter
  }

  /** Registers a waiter that was made elsewhere. */
  adopt(waiter: Waiter): void {
    waiter.askAt = performance.now() + this.sweepInterval
    this.waiters.set(waiter.jobId, waiter)
  }

  forget(waiter: Waiter): void {
    if (this.waiters.get(waiter.jobId) === waiter) this.waiters.delete(waiter.jobId)
  }

  settle(waiter: Waiter, answer: Answer): void {
    this.forget(waiter)
    if (waiter.answer === undefined && "lost" in answer) {
      this.onLost(taskIdOf(waiter.jobId) ?? waiter.jobId, answer)
    }
    waiter.settle(answer)
  }

  /** Starts to read events, from now on. Resolves when no later event can be missed. A process that only works reads none. */
  listen(): Promise<void> {
    return (this.listening ??= this.start())
  }

  private start(): Promise<void> {
    const { client, keys } = this.broker
    return client.xrevrange(keys.events, "+", "-", "COUNT", 1).then(
      (last) => {
        if (this.isClosed) return undefined
        this.readerClient = this.connections.connect()
        this.reader = new StreamReader(this.readerClient, keys.events, last[0]?.[0] ?? "0-0", (fields) =>
          this.onEvent(fields)
        )
        this.schedule()
        return undefined
      },
      (error: unknown) => {
        this.listening = undefined
        return Promise.reject(error)
      }
    )
  }

  /** Fields of an event: `event`, its name, `jobId`, the job's ID, and more. Those of other processes end here. */
  private onEvent(fields: Fields): void {
    const jobId = fields[3]
    if (fields[0] !== "event" || fields[2] !== "jobId" || jobId === undefined) return
    const waiter = this.waiters.get(jobId)
    if (waiter === undefined) return
    switch (fields[1]) {
      case "active": {
        waiter.started = true
        return
      }
      case "completed":
        return this.settle(waiter, completed(valueOf(fields, "returnvalue")))
      case "failed":
        return this.failed(waiter, valueOf(fields, "failedReason"))
      case "removed":
        return this.settle(waiter, { cancelled: "Cancelled", started: waiter.started })
      case "progress":
        return waiter.progress(parseJson(valueOf(fields, "data") ?? "null"))
    }
  }

  private failed(waiter: Waiter, reason: string | undefined): void {
    const answer = reason?.startsWith("{") ? parseAnswer(parseJson(reason)) : undefined
    if (answer !== undefined) return this.settle(waiter, answer)
    // BullMQ itself failed the job, or a worker of another program. How often it was fetched is in the job.
    const { client, keys } = this.broker
    const lost = (fetches: number): Answer =>
      reason === stalledTooOften
        ? // BullMQ fetches the job once more to fail it.
          { lost: "Poisoned", attempts: Math.max(0, fetches - 1), detail: poisoned }
        : { lost: "Undecodable", attempts: fetches, detail: "a worker of another program failed the task" }
    client.hget(`${keys.base}${waiter.jobId}`, "ats").then(
      (fetches) => this.settle(waiter, lost(Number(fetches) || 0)),
      () => this.settle(waiter, lost(0))
    )
  }

  private schedule(): void {
    if (!this.isClosed) this.timer = setTimeout(() => this.sweep(), timerMillis(this.sweepInterval))
  }

  private sweep(): void {
    const now = performance.now()
    const due: Array<Waiter> = []
    for (const waiter of this.waiters.values()) if (waiter.admitted && waiter.askAt <= now) due.push(waiter)
    whenSettled(this.askAll(due), () => this.schedule())
  }

  /** Asks for all tasks now: the broker is back, and events may have been lost. */
  askEverything(): void {
    void this.askAll([...this.waiters.values()].filter((waiter) => waiter.admitted))
  }

  private async askAll(due: ReadonlyArray<Waiter>): Promise<void> {
    for (let i = 0; i < due.length && !this.isClosed; i += chunk) {
      if (!this.broker.isUp) return
      await this.ask(due.slice(i, i + chunk)).catch(() => undefined)
    }
  }

  /** Asks for the state of some tasks, settles those that have ended, and returns the states. */
  async ask(waiters: ReadonlyArray<Waiter>): Promise<ReadonlyArray<JobState>> {
    const { client, keys } = this.broker
    for (const waiter of waiters) waiter.askAt = performance.now() + this.sweepInterval
    const [last, ...codes] = (await runScript(
      client,
      "states",
      [keys.base],
      waiters.map((waiter) => waiter.jobId)
    )) as [string, ...ReadonlyArray<number>]
    const states = codes.map((code) => jobStates[code] ?? "gone")
    const ended: Array<Promise<void>> = []
    for (const [i, waiter] of waiters.entries()) {
      if (waiter.answer !== undefined) continue
      const state = states[i]
      if (state === "completed" || state === "failed") ended.push(this.read(waiter))
      // The event of a removed job may still be on its way.
      else if (state === "gone") ended.push(this.passed(last).then(() => this.vanish(waiter)))
      else if (state === "active") waiter.started = true
    }
    await Promise.all(ended)
    return states
  }

  /** Waits until all events up to an ID have been seen. */
  private passed(id: string): Promise<void> {
    const { reader } = this
    return reader === undefined ? Promise.resolve() : new Promise((resolve) => reader.whenPassed(id, resolve))
  }

  /** Settles a task that the pool no longer has. */
  vanish(waiter: Waiter): void {
    if (waiter.answer !== undefined) return
    this.settle(waiter, { lost: "Vanished", attempts: 0, detail: "the broker no longer has the task" })
  }

  /** Settles all tasks as lost: the pool's record became that of another pool. */
  lose(): void {
    for (const waiter of Array.from(this.waiters.values())) this.vanish(waiter)
  }

  /** Settles a task by its job. */
  private async read(waiter: Waiter): Promise<void> {
    const { client, keys } = this.broker
    const [value, reason] = await client.hmget(`${keys.base}${waiter.jobId}`, "returnvalue", "failedReason")
    if (waiter.answer !== undefined) return
    if (reason !== null && reason !== undefined && value === null) return this.failed(waiter, reason)
    if (value !== null && value !== undefined) return this.settle(waiter, completed(value))
    this.vanish(waiter)
  }

  /** Settles all tasks as closed, and reads no more. */
  close(): void {
    this.isClosed = true
    clearTimeout(this.timer)
    this.reader?.end()
    if (this.readerClient !== undefined) this.connections.disconnect(this.readerClient)
    for (const waiter of Array.from(this.waiters.values())) this.settle(waiter, { closed: true, started: true })
  }
}

const valueOf = (fields: Fields, name: string): string | undefined => {
  for (let i = 4; i + 1 < fields.length; i += 2) if (fields[i] === name) return fields[i + 1]
  return undefined
}

/** Returns the answer in a return value, which BullMQ stores as JSON. */
const completed = (value: string | undefined): Answer =>
  (value === undefined ? undefined : parseAnswer(parseJson(value))) ?? {
    lost: "Undecodable",
    attempts: 1,
    detail: "a worker of another program ran the task"
  }
