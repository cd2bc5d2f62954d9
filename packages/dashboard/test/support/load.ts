/** Pools at work, as a program would have them: one that scales, one that rejects, one that is paused, and calm ones. */
import {
  AioAutoScaleTaskPoolSimple,
  AioFixedTaskPoolLifo,
  AioFixedTaskPoolPriority,
  AioFixedTaskPoolSimple,
  type TaskPoolService
} from "@aio-task-pool/core"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"

/** Keeps a pool busy: submits a task every so many milliseconds, which runs for so many. */
const keepBusy = (pool: TaskPoolService, every: number, run: (index: number) => number, label: string) =>
  Effect.gen(function* () {
    for (let index = 0; ; index++) {
      const work = index % 20 === 19 ? Effect.fail("out of order") : Effect.void
      const task = Effect.andThen(Effect.sleep(run(index)), work)
      yield* Effect.forkScoped(Effect.ignore(pool.submit(task, { label: `${label} ${index % 7}` })))
      yield* Effect.sleep(every)
    }
  }).pipe(Effect.forkScoped)

/** Opens six pools under load, until the scope closes. */
export const openSix: Effect.Effect<void, never, Scope.Scope> = Effect.gen(function* () {
  const fetch = yield* AioAutoScaleTaskPoolSimple.make({ name: "fetch", minSize: 1, maxSize: 64 })
  // The more tasks run, the slower they get: a server with 16 places.
  let inside = 0
  const request = Effect.acquireUseRelease(
    Effect.sync(() => ++inside),
    (count) => Effect.sleep(40 * Math.max(1, count / 16)),
    () => Effect.sync(() => void inside--)
  )
  yield* Effect.forkScoped(
    Effect.forever(
      Effect.andThen(Effect.forkScoped(Effect.ignore(fetch.submit(request, { label: "GET /users" }))), Effect.sleep(4))
    )
  )
  const mail = yield* AioFixedTaskPoolSimple.make({ name: "mail", size: 3, capacity: 40, onFull: "fail" })
  // A queue that is full from the start.
  for (let index = 0; index < 43; index++) {
    yield* Effect.forkScoped(Effect.ignore(mail.submit(Effect.sleep(250), { label: "send invitation" })))
  }
  yield* keepBusy(mail, 60, () => 250, "send invitation")
  const images = yield* AioFixedTaskPoolLifo.make({ name: "images", size: 4, capacity: 100 })
  yield* keepBusy(images, 90, (index) => 100 + 40 * (index % 9), "resize photo")
  const reports = yield* AioFixedTaskPoolPriority.make({ name: "reports", size: 2 })
  yield* keepBusy(reports, 700, (index) => (index % 5 === 0 ? 4000 : 300), "monthly report")
  const paused = yield* AioFixedTaskPoolSimple.make({ name: "import", size: 2 })
  yield* paused.pause
  yield* keepBusy(paused, 400, () => 100, "import row")
  yield* AioFixedTaskPoolSimple.make({ name: "idle", size: 8 })
})

/** Opens pools that are alike, each with some load, until the scope closes. */
export const openMany = (count: number): Effect.Effect<void, never, Scope.Scope> =>
  Effect.forEach(
    Array.from({ length: count }, (_, index) => index),
    (index) =>
      Effect.gen(function* () {
        const pool = yield* AioFixedTaskPoolSimple.make({ name: `pool-${String(index).padStart(3, "0")}`, size: 4 })
        yield* keepBusy(pool, 100 + (index % 10) * 20, () => 300 + (index % 7) * 50, "task")
      }),
    { discard: true }
  )
