/**
 * The work of a task, as an effect and as a promise, and the tally that shows that it was done.
 */
import * as Effect from "effect/Effect"
import type { Side } from "./benchmark.ts"
import { timed } from "./clock.ts"

/** The limit on running tasks, on both sides. */
export const limit = 10

/** A task, as an effect and as a function that returns a promise. */
export interface Work {
  readonly effect: Effect.Effect<void>
  readonly promise: () => Promise<void>
}

/** Counts the tasks that ran, and the most that ran at once. */
export class Tally {
  ran = 0
  mostAtOnce = 0
  private running = 0

  begin(): void {
    if (++this.running > this.mostAtOnce) this.mostAtOnce = this.running
  }

  end(): void {
    this.running--
    this.ran++
  }

  /** Throws unless all tasks ran, with at least `least` and at most `most` of them at once. */
  check(tasks: number, { least, most }: { readonly least: number; readonly most: number }): void {
    if (this.ran !== tasks) throw new WorkNotDone(`${this.ran} of ${tasks} tasks ran`)
    if (this.mostAtOnce > most) throw new WorkNotDone(`${this.mostAtOnce} tasks ran at once, the limit is ${most}`)
    if (this.mostAtOnce < least) throw new WorkNotDone(`at most ${this.mostAtOnce} of ${least} tasks ran at once`)
  }
}

/** A side did not do its work, so its time means nothing. */
export class WorkNotDone extends Error {
  override readonly name = "WorkNotDone"
}

/** What the tasks do. */
export interface Kind {
  readonly make: (tally: Pick<Tally, "begin" | "end">) => Work
  /** Whether the tally must have seen as many tasks run at once as the limit allows. */
  readonly overlaps: boolean
}

const waits = (wait: (done: () => void) => void, overlaps: boolean): Kind => ({
  overlaps,
  make: (tally) => ({
    effect: Effect.callback<void>((resume) => {
      tally.begin()
      wait(() => {
        tally.end()
        resume(Effect.void)
      })
    }),
    promise: () =>
      new Promise((resolve) => {
        tally.begin()
        wait(() => {
          tally.end()
          resolve()
        })
      })
  })
})

/** Each task waits for one `setImmediate`. */
export const tick = waits(setImmediate, true)

/** Each task waits for one microtask. */
export const micro = waits(queueMicrotask, false)

/** Each task succeeds at once. */
export const sync: Kind = {
  overlaps: false,
  make: (tally) => {
    const run = () => {
      tally.begin()
      tally.end()
    }
    return {
      effect: Effect.sync(run),
      promise: () => {
        run()
        return Promise.resolve()
      }
    }
  }
}

/** A way to submit one task for each item and to wait for all of them. */
export type Way = (work: Work, items: ReadonlyArray<number>) => Promise<unknown>

/** A side that times one way to run `tasks` tasks, at most `atOnce` of them at once. */
export const side = (kind: Kind, tasks: number, way: Way, atOnce = limit): Side => {
  const items = Array.from({ length: tasks }, (_, index) => index)
  return async (now) => {
    const tally = new Tally()
    const work = kind.make(tally)
    const took = await timed(now, () => way(work, items))
    tally.check(tasks, { least: kind.overlaps ? Math.min(atOnce, limit) : 1, most: atOnce })
    return took / tasks
  }
}
