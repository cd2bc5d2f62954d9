/**
 * Cancels waiting tasks one by one in random order. Only the cancelling is timed, until every waiter is notified.
 */
import { AioFixedTaskPoolSimple, type TaskPoolService } from "@aio-task-pool/core"
import { Random } from "@aio-task-pool/testing/random"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import PQueue from "p-queue"
import type { Benchmark, Side } from "../benchmark.ts"
import { timed } from "../clock.ts"
import { limit, Tally, tick, WorkNotDone } from "../work.ts"

/** A pool without workers, so that all tasks wait. */
const idlePool = AioFixedTaskPoolSimple.make({ size: 0 })

const checkCancelled = (tasks: number, cancelled: number, waiting: number, tally: Tally): void => {
  tally.check(0, { least: 0, most: 0 })
  if (cancelled !== tasks) throw new WorkNotDone(`${cancelled} of ${tasks} tasks were cancelled`)
  if (waiting !== 0) throw new WorkNotDone(`${waiting} tasks are still waiting`)
}

/** Puts tasks into a pool. Returns for each how to cancel it, and whether it was cancelled. */
type Fill = (
  pool: TaskPoolService,
  tasks: number,
  task: Effect.Effect<void>
) => Effect.Effect<ReadonlyArray<{ readonly cancel: Effect.Effect<void>; readonly cancelled: Effect.Effect<boolean> }>>

const taskPool =
  (tasks: number, fill: Fill): Side =>
  (now) =>
    Effect.gen(function* () {
      const tally = new Tally()
      const pool = yield* idlePool
      const waiting = new Random(1).shuffle(yield* fill(pool, tasks, tick.make(tally).effect))
      const before = (yield* pool.stats).waiting
      if (before !== tasks) throw new WorkNotDone(`${before} of ${tasks} tasks are waiting`)
      const start = now()
      yield* Effect.forEach(waiting, ({ cancel }) => cancel, { discard: true })
      const took = now() - start
      const cancelled = yield* Effect.forEach(waiting, (task) => task.cancelled)
      checkCancelled(tasks, cancelled.filter(Boolean).length, (yield* pool.stats).waiting, tally)
      return took / tasks
    }).pipe(Effect.scoped, Effect.runPromise)

const byHandle: Fill = (pool, tasks, task) =>
  Effect.map(Effect.replicateEffect(Effect.orDie(pool.fork(task)), tasks), (handles) =>
    handles.map((handle) => ({
      cancel: handle.cancel,
      cancelled: Effect.orDie(Effect.map(handle.await, Exit.isFailure))
    }))
  )

const bySubmitter: Fill = Effect.fnUntraced(function* (pool, tasks, task) {
  const fibers = yield* Effect.replicateEffect(Effect.forkDetach(pool.submit(task)), tasks)
  yield* Effect.yieldNow
  return fibers.map((fiber) => ({
    cancel: Fiber.interrupt(fiber),
    cancelled: Effect.map(Fiber.await(fiber), Exit.hasInterrupts)
  }))
})

const promiseQueue =
  (tasks: number): Side =>
  async (now) => {
    const tally = new Tally()
    const queue = new PQueue({ concurrency: limit, autoStart: false })
    const { promise } = tick.make(tally)
    let cancelled = 0
    const waiting = Array.from({ length: tasks }, () => {
      const controller = new AbortController()
      const known = queue.add(promise, { signal: controller.signal }).catch(() => cancelled++)
      return { controller, known }
    })
    const order = new Random(1).shuffle(waiting)
    const took = await timed(now, () => {
      for (const { controller } of order) controller.abort()
      return Promise.all(order.map(({ known }) => known))
    })
    checkCancelled(tasks, cancelled, queue.size, tally)
    return took / tasks
  }

export const cancel: Benchmark = {
  name: "cancel",
  title: "40,000 waiting tasks cancelled one by one in random order",
  unit: "µs",
  comparisons: (quick) => {
    const tasks = quick ? 5_000 : 40_000
    const target = { ratio: 0.1 }
    return [
      { peer: "p-queue", ours: taskPool(tasks, byHandle), theirs: promiseQueue(tasks), target },
      {
        peer: "p-queue, by interrupting the submitter",
        ours: taskPool(tasks, bySubmitter),
        theirs: promiseQueue(tasks),
        target
      }
    ]
  }
}
