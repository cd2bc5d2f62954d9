/**
 * A scheduler that runs one queued step at a time, so that a test controls what happens between any two steps.
 *
 * Effect's own scheduler runs all queued work in one go, and a fiber may run 2,048 operations before it must yield. A
 * race of two fibers then shows only a few of its interleavings. Under a `StepScheduler` a fiber yields after a few
 * operations, and no fiber runs until `step` is called.
 *
 * @since 0.1.0
 */
import type { Fiber } from "effect/Fiber"
import type * as Scheduler from "effect/Scheduler"
import { Random } from "./internal/random.ts"

/**
 * Options of a `StepScheduler`.
 *
 * @category options
 * @since 0.1.0
 */
export interface StepSchedulerOptions {
  /** The operations that a fiber may run in one step, an integer of 3 or more, default 3. With fewer, fibers never end. */
  readonly budget?: number | undefined
  /**
   * Picks a random fiber's step next instead of the oldest one; the same seed gives the same order. Steps that one
   * fiber queued always keep their order. Default: oldest first.
   */
  readonly seed?: number | undefined
}

/**
 * A scheduler whose fibers stand still between two calls of `step`.
 *
 * **When to use**
 *
 * Use it to drive a few fibers by hand through an interleaving of your choice. To try every interleaving of an
 * interruption, use `everyStep`.
 *
 * **Details**
 *
 * Fibers that a fiber under this scheduler forks or resumes are queued here too. `budget` may be changed between steps.
 * `trace` is a hash of which fiber ran each operation since `beginTrace`. Two runs with the same trace took the same
 * path.
 *
 * **Gotchas**
 *
 * Promises and real timers are not steps. While a fiber waits for one, `step` returns `false`.
 *
 * **Example** (Stepping a program by hand)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { StepScheduler } from "@aio-task-pool/testing"
 *
 * const seen: Array<string> = []
 * const say = (word: string) => Effect.sync(() => seen.push(word))
 *
 * const scheduler = new StepScheduler()
 * Effect.runFork(Effect.andThen(say("a"), Effect.andThen(Effect.yieldNow, say("b"))), { scheduler })
 * const before = seen.join()
 * scheduler.runAll()
 *
 * const both = [before, seen.join()] // => ["a", "a,b"]
 * ```
 *
 * @category models
 * @since 0.1.0
 */
export class StepScheduler implements Scheduler.Scheduler {
  readonly executionMode = "async"
  /** The number of operations that a fiber may run in one step. */
  budget: number
  private readonly random: Random | undefined
  private steps: Array<Step> = []
  private fibers = new Map<number, number>()
  private high = 0
  private low = 0

  constructor(options?: StepSchedulerOptions) {
    this.budget = options?.budget ?? 3
    this.random = options?.seed === undefined ? undefined : new Random(options.seed)
  }

  /** The number of queued steps. */
  get queued(): number {
    return this.steps.length
  }

  /** Runs one queued step. Returns whether there was one. */
  step(): boolean {
    const { steps } = this
    if (steps.length === 0) return false
    const chosen = steps[this.random?.below(steps.length) ?? 0]!
    let next = steps.indexOf(chosen)
    for (let i = 0; i < steps.length; i++) {
      const other = steps[i]!
      if (other.owner !== chosen.owner) continue
      if (other.priority < steps[next]!.priority || (other.priority === steps[next]!.priority && i < next)) next = i
    }
    const [step] = steps.splice(next, 1)
    step!.run()
    return true
  }

  /** Runs steps until none is queued, or `limit` steps have run. Returns the number of steps that ran. */
  runAll(limit = Infinity): number {
    let count = 0
    while (count < limit && this.step()) count++
    return count
  }

  /** Restarts the trace. */
  beginTrace(): void {
    this.fibers = new Map()
    this.high = 0x811c9dc5
    this.low = 0x01000193
  }

  /** Adds an event of the test, such as an interruption, to the trace. */
  mark(event: number): void {
    this.high = Math.imul(this.high ^ event, 0x01000193)
    this.low = Math.imul(this.low ^ event, 0x85ebca6b) ^ (this.low >>> 13)
  }

  /** A hash of the operations since `beginTrace` and of the fibers that ran them, numbered in order of appearance. */
  get trace(): number {
    return (this.high >>> 0) * 0x200000 + (this.low >>> 11)
  }

  /** @internal */
  shouldYield(fiber: Fiber<unknown, unknown>): boolean {
    let index = this.fibers.get(fiber.id)
    if (index === undefined) this.fibers.set(fiber.id, (index = this.fibers.size))
    this.mark(index)
    return fiber.currentOpCount >= this.budget
  }

  /** @internal */
  makeDispatcher(): Scheduler.SchedulerDispatcher {
    const owner: Scheduler.SchedulerDispatcher = {
      scheduleTask: (run, priority) => {
        this.steps.push({ run, priority, owner })
      },
      flush: () => {
        while (this.steps.some((step) => step.owner === owner)) this.step()
      }
    }
    return owner
  }
}

interface Step {
  readonly run: () => void
  readonly priority: number
  readonly owner: Scheduler.SchedulerDispatcher
}
