import {
  AioAutoScaleTaskPoolSimple,
  AioFixedTaskPoolPriority,
  AioFixedTaskPoolSimple,
  Executor,
  Job,
  TaskPool
} from "@aio-task-pool/core"
import { Deferred, Effect } from "effect"

// The repository's own types know of no browser.
declare const requestAnimationFrame: (callback: () => void) => number

const submits = Effect.gen(function* () {
  const names = yield* Effect.forEach([1, 2, 3], (id) => TaskPool.submit(Effect.succeed(`user ${id}`)), {
    concurrency: "unbounded"
  })
  const doubled = yield* TaskPool.forEach([1, 2, 3], (n) => Effect.delay(Effect.succeed(n * 2), 5))
  return [...names, ...doubled]
}).pipe(Effect.provide(AioFixedTaskPoolSimple.layer(2)))

const priorities = Effect.gen(function* () {
  const order: Array<number> = []
  const gate = yield* Deferred.make<void>()
  const first = yield* TaskPool.fork(Deferred.await(gate))
  const rest = yield* Effect.forEach([3, 1, 2], (weight) =>
    TaskPool.fork(
      Effect.sync(() => order.push(weight)),
      { weight }
    )
  )
  yield* Deferred.succeed(gate, undefined)
  yield* Effect.forEach([first, ...rest], (handle) => handle.join)
  return order
}).pipe(Effect.provide(AioFixedTaskPoolPriority.layer(1)))

const closes = Effect.gen(function* () {
  yield* TaskPool.fork(Effect.sleep(20))
  yield* TaskPool.fork(Effect.sleep(20))
  const { completed, interrupted, neverRun } = yield* TaskPool.close()
  const late = yield* Effect.flip(TaskPool.submit(Effect.void))
  return [completed, interrupted, neverRun, late._tag]
}).pipe(Effect.provide(AioFixedTaskPoolSimple.layer(1)))

const autoScales = Effect.gen(function* () {
  const slow = (n: number) => Effect.delay(Effect.succeed(n), 10)
  const results = yield* TaskPool.forEach(
    Array.from({ length: 100 }, (_, n) => n),
    slow
  )
  const { size } = yield* TaskPool.stats
  return [results.length, results[99], size >= 1 && size <= 8]
}).pipe(Effect.provide(AioAutoScaleTaskPoolSimple.layer({ minSize: 1, maxSize: 8 })))

// Twenty thousand tasks that never wait, again and again until the browser has drawn twice meanwhile.
const draws = Effect.gen(function* () {
  let frames = 0
  const onFrame = () => {
    frames++
    requestAnimationFrame(onFrame)
  }
  requestAnimationFrame(onFrame)
  const sums: Array<number> = []
  for (let run = 0; run < 100 && frames < 2; run++) {
    let sum = 0
    yield* TaskPool.forEach(
      Array.from({ length: 20_000 }, (_, n) => n),
      (n) => Effect.sync(() => (sum += n)),
      { discard: true }
    )
    sums.push(sum)
  }
  return [sums.every((sum) => sum === 199_990_000), frames >= 2]
}).pipe(Effect.provide(AioFixedTaskPoolSimple.layer(10)))

const twice = Job.define(import.meta, "twice", (n: number) => n * 2)
const inline = Effect.provide(Executor.run(twice, [21]), Executor.layerInline)

const program = Effect.all({ submits, priorities, closes, autoScales, draws, inline })

Object.assign(globalThis, { results: Effect.runPromise(program) })
