/**
 * The state of a server model: its tasks, and the one that ends next.
 *
 * Tasks are slots, small integers from the engine. Tasks that share a server run at one common speed, so their order of
 * completion never changes. The heap is therefore keyed by virtual time, which passes at that speed.
 */
import type { ServerModel, Steps } from "../ServerModel.ts"
import { changes, valueAt } from "../ServerModel.ts"
import { SlotHeap } from "./heap.ts"
import type { Random } from "../../internal/random.ts"

export class Server {
  /** Tasks on the server. */
  n = 0
  readonly rejection: number
  readonly timeout: number
  private readonly heap: SlotHeap
  private readonly work: Float64Array
  private readonly waiting: Array<number> = []
  private readonly changes: ReadonlyArray<number>
  private readonly model: ServerModel
  private changed = 0
  private capacity = Infinity
  private limit = Infinity
  private base = 0
  private down = false
  private virtual = 0
  private speed = 1
  private speeds = new Float64Array(0)
  private tokens = 0
  private rate = 0
  private now = 0
  private pace = 1
  private nextStep = Infinity
  private nextBatch = Infinity
  /** Batches that run, the batch of each task, and when the oldest waiting task came. */
  private batches = 0
  private batchOf: Array<Batch | undefined> = []
  private waitingSince = 0
  private windowIndex = -1

  constructor(model: ServerModel, slots: number) {
    this.model = model
    this.rejection = model.rejection ?? 2
    this.timeout = model.timeout ?? Infinity
    this.heap = new SlotHeap(slots)
    this.work = new Float64Array(slots)
    if (model.kind === "batching") this.batchOf = Array.from({ length: slots }, () => undefined)
    const outages = (model.outages ?? []).flatMap(([from, to]) => [
      [from, 0],
      [to, 0]
    ]) as ReadonlyArray<readonly [number, number]>
    this.changes = changes(model.base, model.limit, model.pace, outages, loadOf(model))
    if (model.kind === "bucket") this.tokens = model.burst
    this.change(0)
  }

  /** When the server changes next, or starts a batch that is not full. */
  get nextChange(): number {
    return Math.min(this.nextStep, this.nextBatch)
  }

  /** Applies what changes at `time`. */
  change(time: number): void {
    this.advance(time)
    const { model } = this
    if (time >= this.nextStep || time === 0) this.nextStep = this.changes[this.changed++] ?? Infinity
    this.base = valueAt(model.base, time)
    this.limit = model.limit === undefined ? Infinity : valueAt(model.limit, time)
    this.pace = model.pace === undefined ? 1 : valueAt(model.pace, time)
    this.down = (model.outages ?? []).some(([from, to]) => from <= time && time < to)
    if (model.kind === "bucket") this.rate = valueAt(model.rate, time) / 1000
    else if (model.kind === "windows") this.rate = valueAt(model.count, time)
    else this.capacity = valueAt(model.capacity, time)
    if (model.kind === "shared") {
      this.speeds = Float64Array.from({ length: this.work.length + 1 }, (_, n) =>
        n === 0 ? 1 : model.speed(n, this.capacity)
      )
      this.speed = this.speeds[this.n]!
    }
    this.serve()
  }

  /** Returns when the next task ends, unless another event comes first. */
  nextEnd(): number {
    const key = this.heap.min()
    if (this.model.kind === "shared") return this.now + (key - this.virtual) / (this.speed * this.pace)
    return this.model.pace === undefined || key === Infinity ? key : this.now + (key - this.virtual) / this.pace
  }

  /** Draws the work of a task that starts now. */
  draw(random: Random): number {
    const work = this.model.work ?? lognormal
    switch (work.kind) {
      case "exponential":
        return this.base * random.exponential()
      case "bimodal": {
        const short = this.base / (1 - work.share + work.share * work.factor)
        return random.next() < work.share ? short * work.factor : short
      }
      case "pareto":
        return (this.base * (1 - 1 / work.shape)) / (1 - random.next()) ** (1 / work.shape)
      case "lognormal": {
        if (work.cv === 0) return this.base
        const variance = Math.log(1 + work.cv * work.cv)
        return this.base * Math.exp(Math.sqrt(variance) * random.normal() - variance / 2)
      }
    }
  }

  /** Admits the task or rejects it. Returns whether it was admitted. */
  admit(slot: number, work: number, time: number): boolean {
    this.advance(time)
    if (this.down || this.n >= this.limit) return false
    const { kind } = this.model
    if (kind === "bucket" || kind === "windows") {
      if (this.tokens < 1) return false
      this.tokens--
    }
    this.n++
    this.work[slot] = work
    if (kind === "shared") {
      this.heap.push(slot, this.virtual + work)
      this.speed = this.speeds[this.n]!
    } else if (kind === "batching") {
      if (this.waiting.length === 0) this.waitingSince = time
      this.waiting.push(slot)
      this.serve()
    } else if (this.heap.size < this.capacity) this.heap.push(slot, this.virtual + work)
    else this.waiting.push(slot)
    return true
  }

  /** Returns the `Retry-After` of a rejection at `time`, in milliseconds; 0 if the server gives none. */
  retryIn(time: number): number {
    const { model } = this
    if (model.retryAfter === undefined) return 0
    const exact =
      model.kind === "bucket"
        ? (1 - this.tokens) / this.rate
        : model.kind === "windows"
          ? model.window - (time % model.window)
          : model.retryAfter
    return Math.max(1, Math.ceil(exact / model.retryAfter)) * model.retryAfter
  }

  /** Removes and returns the task that ends at `time`, which is `nextEnd()`. */
  end(time: number): number {
    this.advance(time)
    const slot = this.heap.pop()
    if (this.model.kind === "batching") this.leaveBatch(slot)
    this.left()
    return slot
  }

  /** Removes a task whose client has timed out. */
  remove(slot: number, time: number): void {
    this.advance(time)
    if (this.heap.has(slot)) {
      this.heap.remove(slot)
      if (this.model.kind === "batching") this.leaveBatch(slot)
    } else this.waiting.splice(this.waiting.indexOf(slot), 1)
    this.left()
  }

  private left(): void {
    this.n--
    if (this.model.kind === "shared") this.speed = this.speeds[this.n]!
    else this.serve()
  }

  private serve(): void {
    if (this.model.kind === "batching") return this.serveBatches(this.model)
    while (this.waiting.length > 0 && this.heap.size < this.capacity) {
      const slot = this.waiting.shift()!
      this.heap.push(slot, this.virtual + this.work[slot]!)
    }
  }

  private serveBatches({ size, wait }: { readonly size: number; readonly wait: number }): void {
    while (this.batches < this.capacity && this.waiting.length > 0) {
      if (this.waiting.length < size && this.now < this.waitingSince + wait) break
      const batch = this.waiting.splice(0, size)
      this.waitingSince = this.now
      this.batches++
      const state = { left: batch.length }
      for (const slot of batch) {
        this.batchOf[slot] = state
        this.heap.push(slot, this.virtual + this.work[batch[0]!]!)
      }
    }
    const due = this.batches < this.capacity && this.waiting.length > 0
    this.nextBatch = due ? this.waitingSince + wait : Infinity
  }

  private leaveBatch(slot: number): void {
    const batch = this.batchOf[slot]
    if (batch === undefined) return
    this.batchOf[slot] = undefined
    if (--batch.left === 0) this.batches--
  }

  private advance(time: number): void {
    const passed = time - this.now
    this.now = time
    const { model } = this
    if (model.kind === "windows" && Math.floor(time / model.window) !== this.windowIndex) {
      this.windowIndex = Math.floor(time / model.window)
      this.tokens = valueAt(model.count, time)
    }
    if (model.kind === "shared") {
      if (passed > 0) this.virtual += passed * this.speed * this.pace
      return
    }
    if (model.pace === undefined) this.virtual = time
    else if (passed > 0) this.virtual += passed * this.pace
    if (model.kind === "bucket" && passed > 0) {
      this.tokens = Math.min(model.burst, this.tokens + passed * this.rate)
    }
  }
}

interface Batch {
  left: number
}

/** Returns what the server can handle over time. */
export const loadOf = (model: ServerModel): Steps =>
  model.kind === "bucket" ? model.rate : model.kind === "windows" ? model.count : model.capacity

const lognormal = { kind: "lognormal", cv: 0.5 } as const
