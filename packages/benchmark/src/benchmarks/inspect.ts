/**
 * A look at the next 100 tasks behind few and behind many others. Its time must not grow with the backlog.
 */
import {
  AioFixedTaskPoolLifo,
  AioFixedTaskPoolPriority,
  AioFixedTaskPoolSimple,
  type FixedPoolOptions,
  type SubmitOptions
} from "@aio-task-pool/core"
import { Random } from "@aio-task-pool/testing/random"
import * as Effect from "effect/Effect"
import type { Benchmark, Comparison, Side } from "../benchmark.ts"
import { timed } from "../clock.ts"
import { sync, Tally, WorkNotDone } from "../work.ts"

const few = 1_000
const shown = 100
const looks = 3_000

interface Pool {
  readonly make: typeof AioFixedTaskPoolSimple.make
  readonly options?: FixedPoolOptions
  readonly keys?: number
}

/** Looks at a pool in which `tasks` tasks wait. */
const side =
  ({ keys, make, options }: Pool, tasks: number): Side =>
  async (now) => {
    const random = new Random(1)
    const { effect } = sync.make(new Tally())
    const taskOptions = (): SubmitOptions => ({
      weight: random.below(1_000_000),
      key: keys === undefined ? undefined : random.below(keys)
    })
    let took = 0
    const program = Effect.gen(function* () {
      const pool = yield* make({ size: 0, ...options })
      for (let i = 0; i < tasks; i++) yield* pool.fork(effect, taskOptions())
      const look = Effect.gen(function* () {
        for (let i = 0; i < looks; i++) {
          const { omitted, oldestWait, tasks: rows } = yield* pool.inspect({ waiting: shown })
          if (rows.length !== shown || omitted.waiting !== tasks - shown || !(oldestWait >= 0)) {
            throw new WorkNotDone(`${rows.length} of ${tasks} tasks are listed`)
          }
        }
      })
      // The first look at a priority queue sorts the tasks by their age.
      yield* pool.inspect()
      // Otherwise the looks would pay for moving the new tasks to the old generation of the heap.
      globalThis.gc?.()
      took = yield* Effect.promise(() => timed(now, () => Effect.runPromise(look)))
      yield* pool.close({ mode: "interrupt" })
    })
    await Effect.runPromise(Effect.scoped(program))
    return took / looks
  }

const compare = (peer: string, pool: Pool, many: number): Comparison => ({
  peer,
  ours: side(pool, many),
  theirs: side(pool, few),
  target: { ratio: 3 }
})

export const inspect: Benchmark = {
  name: "inspect",
  title: "time per look at the next 100 tasks with 1,000,000 waiting tasks (ours) against 1,000 (theirs)",
  unit: "µs",
  comparisons: (quick) => {
    const many = quick ? 100_000 : 1_000_000
    return [
      compare("FIFO", { make: AioFixedTaskPoolSimple.make }, many),
      compare("LIFO", { make: AioFixedTaskPoolLifo.make }, many),
      compare("priority", { make: AioFixedTaskPoolPriority.make }, many),
      compare("priority, ageing", { make: AioFixedTaskPoolPriority.make, options: { ageing: "1 second" } }, many),
      compare("FIFO, 50 keys", { make: AioFixedTaskPoolSimple.make, keys: 50 }, many),
      compare("priority, 1000 keys", { make: AioFixedTaskPoolPriority.make, keys: 1000 }, many)
    ]
  }
}
