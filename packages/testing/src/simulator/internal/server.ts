/**
 * The state of a server model: its tasks, and the one that ends next.
 *
 * Tasks are slots, small integers from the engine. Tasks that share a server run at one common speed, so their order of
 * completion never changes. The heap is therefore keyed by virtual time, which passes at that speed.
 */
import type { ServerModel } from "../ServerModel.ts"
import { changes, valueAt } from "../ServerModel.ts"
import { SlotHeap } from "./heap.ts"
import type { Random } from "../../internal/random.ts"

export class Server {
  /** Tasks on the server. */
  n = 0
  /** When the server changes next. */
  nextChange = Infinity
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

  constructor(model: ServerModel, slots: number) {
    this.model = model
    this.rejection = model.rejection ?? 2
    this.timeout = model.timeout ?? Infinity
    this.heap = new SlotHeap(slots)
    this.work = new Float64Array(slots)
    const outages = (model.outages ?? []).flatMap(([from, to]) => [
      [from, 0],
      [to, 0]
    ]) as ReadonlyArray<readonly [number, number]>
    this.changes = changes(model.base, model.limit, outages, model.kind === "bucket" ? model.rate : model.capacity)
    if (model.kind === "bucket") this.tokens = model.burst
    this.change(0)
  }

  /** Applies what changes at `time`. */
  change(time: number): void {
    this.advance(time)
    const { model } = this
    this.base = valueAt(model.base, time)
    this.limit = model.limit === undefined ? Infinity : valueAt(model.limit, time)
    this.down = (model.outages ?? []).some(([from, to]) => from <= time && time < to)
    if (model.kind === "bucket") this.rate = valueAt(model.rate, time) / 1000
    else this.capacity = valueAt(model.capacity, time)
    if (model.kind === "shared") {
      this.speeds = Float64Array.from({ length: this.work.length + 1 }, (_, n) =>
        n === 0 ? 1 : model.speed(n, this.capacity)
      )
      this.speed = this.speeds[this.n]!
    }
    this.nextChange = this.changes[this.changed++] ?? Infinity
    this.serve()
  }

  /** Returns when the next task ends, unless another event comes first. */
  nextEnd(): number {
    const key = this.heap.min()
    return this.model.kind === "shared" ? this.now + (key - this.virtual) / this.speed : key
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
    if (this.model.kind === "bucket") {
      if (this.tokens < 1) return false
      this.tokens--
    }
    this.n++
    this.work[slot] = work
    if (this.model.kind === "shared") {
      this.heap.push(slot, this.virtual + work)
      this.speed = this.speeds[this.n]!
    } else if (this.heap.size < this.capacity) this.heap.push(slot, time + work)
    else this.waiting.push(slot)
    return true
  }

  /** Removes and returns the task that ends at `time`, which is `nextEnd()`. */
  end(time: number): number {
    this.advance(time)
    const slot = this.heap.pop()
    this.left()
    return slot
  }

  /** Removes a task whose client has timed out. */
  remove(slot: number, time: number): void {
    this.advance(time)
    if (this.heap.has(slot)) this.heap.remove(slot)
    else this.waiting.splice(this.waiting.indexOf(slot), 1)
    this.left()
  }

  private left(): void {
    this.n--
    if (this.model.kind === "shared") this.speed = this.speeds[this.n]!
    else this.serve()
  }

  private serve(): void {
    while (this.waiting.length > 0 && this.heap.size < this.capacity) {
      const slot = this.waiting.shift()!
      this.heap.push(slot, this.now + this.work[slot]!)
    }
  }

  private advance(time: number): void {
    const passed = time - this.now
    this.now = time
    if (passed <= 0) return
    if (this.model.kind === "shared") this.virtual += passed * this.speed
    else if (this.model.kind === "bucket") this.tokens = Math.min(this.model.burst, this.tokens + passed * this.rate)
  }
}

const lognormal = { kind: "lognormal", cv: 0.5 } as const
