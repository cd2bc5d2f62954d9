/**
 * What measuring costs: processor time per `submit` of a pool that measures itself, against a fixed one of the same size.
 *
 * `node --expose-gc packages/benchmark/src/autoscale/cost.ts`
 */
import {
  AioAutoScaleTaskPoolSimple,
  AioFixedTaskPoolSimple,
  AutoScalePolicy,
  type TaskPoolService
} from "@aio-task-pool/core"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import { type Pair, summarize } from "../statistics.ts"

const size = 10
const tasks = 20_000
const pairs = 24

const tick = Effect.callback<void>((resume) => void setImmediate(() => resume(Effect.void)))
const items = Array.from({ length: tasks })

const processorTime = (pool: TaskPoolService, task: Effect.Effect<void>) =>
  Effect.gen(function* () {
    globalThis.gc?.({ type: "minor" })
    const before = process.cpuUsage()
    yield* Effect.forEach(items, () => pool.submit(task), { concurrency: "unbounded", discard: true })
    const { system, user } = process.cpuUsage(before)
    return (user + system) / tasks
  })

const measure = Effect.fnUntraced(function* (name: string, task: Effect.Effect<void>) {
  const fixed = yield* AioFixedTaskPoolSimple.make({ size })
  const bounds = { minSize: size, maxSize: size }
  // `adaptive` decides as it does anywhere, only that its bounds leave it no choice.
  const measured = yield* AioAutoScaleTaskPoolSimple.make({ ...bounds, policy: AutoScalePolicy.adaptive() })
  const results: Array<Pair> = []
  for (let pair = -6; pair < pairs; pair++) {
    const first = pair % 2 === 0 ? yield* processorTime(measured, task) : undefined
    const theirs = yield* processorTime(fixed, task)
    const ours = first ?? (yield* processorTime(measured, task))
    if (pair >= 0) results.push({ ours, theirs })
  }
  const { high, low, ours, ratio, theirs } = summarize(results)
  const micros = (value: number): string => `${value.toFixed(2)} us`
  yield* Console.log(
    `${name}: ${ratio.toFixed(3)} (${low.toFixed(3)} to ${high.toFixed(3)}), ${micros(ours)} against ${micros(theirs)}`
  )
})

NodeRuntime.runMain(
  Effect.scoped(
    Effect.andThen(measure("submit, one setImmediate", tick), measure("submit, succeeds at once", Effect.void))
  )
)
