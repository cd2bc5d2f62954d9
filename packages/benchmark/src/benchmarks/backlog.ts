/**
 * The same task behind few and behind many others. The time per task must not grow with the backlog.
 */
import { AioFixedTaskPoolLifo, AioFixedTaskPoolPriority, AioFixedTaskPoolSimple } from "@aio-task-pool/core"
import { Random } from "@aio-task-pool/testing/random"
import * as Effect from "effect/Effect"
import type { Benchmark, Comparison, Side } from "../benchmark.ts"
import { timed } from "../clock.ts"
import { limit, Tally, tick, WorkNotDone } from "../work.ts"

const few = 10_000

/** Lets `tasks` tasks wait in a pool without workers, then adds the workers; repeats this `times` times. */
const side =
  (make: typeof AioFixedTaskPoolSimple.make, tasks: number, times: number): Side =>
  async (now) => {
    const random = new Random(1)
    const weights = Array.from({ length: tasks }, () => ({ weight: random.below(1_000_000) }))
    const tally = new Tally()
    const { effect } = tick.make(tally)
    const once = Effect.gen(function* () {
      const pool = yield* make({ size: 0 })
      yield* Effect.forEach(weights, (weight) => pool.fork(effect, weight), { discard: true })
      const { waiting } = yield* pool.stats
      if (waiting !== tasks) throw new WorkNotDone(`${waiting} of ${tasks} tasks are waiting`)
      yield* pool.resize(limit)
      yield* pool.awaitIdle
    })
    let took = 0
    for (let time = 0; time < times; time++) {
      took += await timed(now, () => Effect.runPromise(Effect.scoped(once)))
    }
    tally.check(tasks * times, { least: limit, most: limit })
    return took / (tasks * times)
  }

const compare = (peer: string, make: typeof AioFixedTaskPoolSimple.make, many: number, target: number): Comparison => ({
  peer,
  ours: side(make, many, 1),
  theirs: side(make, few, 5),
  target: { ratio: target }
})

export const backlog: Benchmark = {
  name: "backlog",
  title: "time per task with 1,000,000 waiting tasks (ours) against 10,000 (theirs), each waits for one setImmediate",
  unit: "µs",
  comparisons: (quick) => {
    const many = quick ? 100_000 : 1_000_000
    return [
      compare("FIFO", AioFixedTaskPoolSimple.make, many, 1.4),
      compare("LIFO", AioFixedTaskPoolLifo.make, many, 1.4),
      compare("priority", AioFixedTaskPoolPriority.make, many, 2.5)
    ]
  }
}
