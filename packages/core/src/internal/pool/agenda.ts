/**
 * The timed events of a pool: a deadline in the queue, the end of a hold, a retry, the next start that a rate allows. A
 * heap orders the items, and one timer fires them all.
 *
 *     add ──> timer sleeps until the first item is due ──> items fire, in order of time ──> timer, if any are left
 *
 * The timer is a fiber of the pool, in the context and the async context of the pool's maker. It runs only while there
 * are items, so an idle pool has no timer and does not keep its process alive. If the first item is removed, the timer
 * is not changed: it wakes once, finds no item due, and sleeps until the next one.
 *
 * No item fires inside `add` or `remove`, even if the clock's sleep does not wait. An item that is added while others
 * fire waits for a later step. Otherwise items that add themselves again would starve the event loop.
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { Fiber } from "effect/Fiber"
import { Heap, minCapacity } from "../backlog/heap.ts"
import { captureAsyncContext, runIsolated } from "../runtime/asyncContext.ts"
import { monotonicMillis } from "../runtime/clock.ts"

/** An item of an agenda. */
export interface Due {
  /** The item's slot, which the agenda owns; -1 if the item is in no agenda. */
  agendaSlot: number
  /** How many events the item stands for; `undefined` for one. */
  readonly count?: number
  /** Called at the time `at` that the item was added for, or later. */
  fire(at: number): void
}

// Many deadlines may be due at once. A million of them in one step would starve the event loop.
const firesPerStep = 1024

// The longest sleep that a platform's timer supports, in milliseconds. Longer ones consist of several.
const longestSleep = 2 ** 31 - 1

// How often the agenda reads a clock whose sleep failed or ended far too early, in milliseconds.
const pollInterval = 100

export class Agenda {
  private readonly context: Context.Context<never>
  private readonly asyncContext = captureAsyncContext()
  private readonly clock: Clock.Clock
  private readonly onDefect: (defect: unknown, message?: string) => void
  private readonly heap = new DueHeap()
  /** The last reading of the clock. */
  private time = -Infinity
  private timer: Fiber<void> | undefined = undefined
  /** The time that the timer sleeps until; `Infinity` if there is none. */
  private wakesAt = Infinity
  private starting = false
  private firing = false
  private logged = false

  /** `context` is the one of the pool's own fibers. `onDefect` logs what `fire` throws, and a defect of the clock. */
  constructor(context: Context.Context<never>, onDefect: (defect: unknown, message?: string) => void) {
    this.context = context
    this.clock = Context.get(context, Clock.Clock)
    this.onDefect = onDefect
  }

  get size(): number {
    return this.heap.size
  }

  /** Returns the time of the monotonic clock in milliseconds. The result never falls, even if a clock does. */
  now(): number {
    const millis = monotonicMillis(this.clock)
    if (millis > this.time) this.time = millis
    return this.time
  }

  /** Like `now`, for steps that must not stop half-way: returns the last reading if the clock, user code, throws. */
  nowOrLast(): number {
    try {
      return this.now()
    } catch {
      return Math.max(0, this.time)
    }
  }

  /** Fires the item at a time, or in the next step if the time has passed. Moves a known item. O(log n). */
  add(item: Due, at: number): void {
    // The timer first: a stack overflow here would leave an item without a timer.
    if (at < this.wakesAt && !this.firing) this.startTimer(at)
    this.heap.remove(item)
    // An item that is added while others fire must follow all that are due now.
    this.heap.push(item, this.firing ? Math.max(at, this.time) : at)
  }

  /** Removes an item, if it was added. O(1), amortized. */
  remove(item: Due): void {
    if (item.agendaSlot < 0) return
    this.heap.remove(item)
    if (this.heap.size === 0 && !this.firing) this.replaceTimer(undefined, Infinity)
  }

  /** Replaces the timer by one that wakes earlier. Changes nothing before the new timer sleeps. */
  private startTimer(at: number): void {
    const { starting } = this
    this.starting = true
    let timer: Fiber<void>
    try {
      const fork = () => Effect.runForkWith(this.context)(this.runTimer(at))
      timer = runIsolated(this.asyncContext, fork, undefined, undefined)
    } finally {
      this.starting = starting
    }
    const exit = timer.pollUnsafe()
    // A timer sleeps before it ends, except after a stack overflow.
    if (exit?._tag === "Failure") throw Cause.squash(exit.cause)
    // The clock is user code: it may have added an item that is due earlier, and with it another timer.
    if (at < this.wakesAt) this.replaceTimer(timer, at)
    else timer.interruptUnsafe()
  }

  private replaceTimer(timer: Fiber<void> | undefined, wakesAt: number): void {
    const previous = this.timer
    this.timer = timer
    this.wakesAt = wakesAt
    previous?.interruptUnsafe()
  }

  /** Continues after a defect of the clock. Otherwise the items would never fire. */
  private runTimer(at: number): Effect.Effect<void> {
    return Effect.catchCause(this.sleepAndFire(at), (cause) => {
      this.onClockDefect(Cause.squash(cause))
      return Effect.andThen(
        poll(pollInterval),
        Effect.suspend(() => this.runTimer(this.wakesAt))
      )
    })
  }

  private onClockDefect(defect: unknown): void {
    if (this.logged) return
    this.logged = true
    this.onDefect(defect, `the clock failed, and is read every ${pollInterval} ms`)
  }

  private sleepAndFire(at: number): Effect.Effect<void> {
    return Effect.andThen(this.sleepUntil(at), this.fireAndSleep)
  }

  private readonly fireAndSleep = Effect.suspend(() => {
    this.fireDue()
    this.wakesAt = this.heap.first()
    return this.wakesAt < Infinity ? this.sleepAndFire(this.wakesAt) : Effect.void
  })

  /** Sleeps until a time, or returns earlier. Always suspends. */
  private sleepUntil(at: number): Effect.Effect<void> {
    return Effect.suspend(() => {
      const from = this.now()
      const millis = Math.min(at - from, longestSleep)
      if (millis <= 0) return Effect.yieldNow
      // Rounded up to nanoseconds: a Duration rounds to the nearest one, and the sleep could end too early.
      const sleep = this.clock.sleep(Duration.millis(Math.ceil(millis * 1e6) / 1e6))
      // Yielding another value would end the fiber at once, and no handler would run.
      if (!Effect.isEffect(sleep)) return Effect.die(new TypeError("the sleep of the clock is not an Effect"))
      return Effect.andThen(
        sleep,
        Effect.suspend(() => {
          // The sleep did not wait, or the clock fell. Sleeping again at once could starve the event loop.
          const isEarly = this.starting || this.now() - from < millis / 2
          return isEarly ? poll(millis / 2) : Effect.void
        })
      )
    })
  }

  private fireDue(): void {
    const now = this.now()
    const { pushed } = this.heap
    this.firing = true
    try {
      for (let budget = firesPerStep; budget > 0;) {
        const at = this.heap.first()
        const item = this.heap.popDue(now, pushed)
        if (item === undefined) break
        budget -= item.count ?? 1
        this.fire(item, at)
      }
    } finally {
      this.firing = false
    }
  }

  private fire(item: Due, at: number): void {
    try {
      item.fire(at)
    } catch (defect) {
      this.onDefect(defect)
    }
  }
}

/** Waits by the platform's clock, because the pool's clock failed or did not wait. */
const poll = (millis: number): Effect.Effect<void> =>
  Clock.Clock.defaultValue().sleep(Duration.millis(Math.max(1, Math.min(millis, pollInterval))))

/**
 * Items by time, equal times first in, first out. A removed item is released at once. Its node is dropped when it
 * reaches the top, or when the heap is rebuilt.
 */
class DueHeap {
  size = 0
  /** Counts the pushes: the sequence of the next one. */
  pushed = 0
  /** The item in each slot. */
  private items: Array<Due | undefined> = []
  /** The slots by time, including those of removed items. */
  private heap = new Heap()

  push(item: Due, at: number): void {
    if (this.heap.length === this.heap.slots.length) this.rebuild()
    const slot = this.heap.freeSlot()
    this.heap.push(at, this.pushed, slot)
    this.items[slot] = item
    item.agendaSlot = slot
    this.pushed++
    this.size++
  }

  /** Removes an item, if it is in the heap. */
  remove(item: Due): void {
    if (item.agendaSlot < 0) return
    this.items[item.agendaSlot] = undefined
    item.agendaSlot = -1
    this.size--
    if (8 * this.size < this.heap.slots.length && this.heap.slots.length > minCapacity) this.rebuild()
  }

  /** Returns the earliest time; `Infinity` if there is no item. */
  first(): number {
    const { heap, items } = this
    while (heap.length > 0 && items[heap.slots[0]!] === undefined) heap.shift()
    return heap.length === 0 ? Infinity : heap.keys[0]!
  }

  /** Removes and returns the first item that is due, unless its sequence is `before` or later. */
  popDue(now: number, before: number): Due | undefined {
    const { heap } = this
    if (this.first() > now || heap.length === 0 || heap.keys[1]! >= before) return undefined
    const item = this.items[heap.slots[0]!]!
    this.remove(item)
    return item
  }

  /** Rebuilds the heap without empty slots, at least half of it free. Changes nothing before it is complete. */
  private rebuild(): void {
    const { heap } = this
    let capacity = minCapacity
    while (capacity < 2 * this.size) capacity *= 2
    const items: Array<Due> = []
    const rebuilt = new Heap()
    rebuilt.reset(capacity)
    for (let node = 0; node < heap.length; node++) {
      const item = this.items[heap.slots[node]!]
      if (item === undefined) continue
      rebuilt.push(heap.keys[2 * node]!, heap.keys[2 * node + 1]!, items.length)
      items.push(item)
    }
    for (let slot = 0; slot < items.length; slot++) items[slot]!.agendaSlot = slot
    this.items = items
    this.heap = rebuilt
  }
}
