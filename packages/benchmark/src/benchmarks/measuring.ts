/**
 * The cost of measuring in an auto-scale pool. Batches of tasks fit into the young generation of the heap, because a
 * major collection costs more than what is measured here.
 */
import { AioAutoScaleTaskPoolSimple, AioFixedTaskPoolSimple, TaskPool } from "@aio-task-pool/core"
import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import type { Benchmark, Comparison } from "../benchmark.ts"
import { type Kind, limit, side, sync, tick, type Way } from "../work.ts"

const batch = 5_000

const inBatches =
  (layer: Layer.Layer<TaskPool>): Way =>
  ({ effect }, items) =>
    Effect.forEach(Arr.chunksOf(items, batch), (items) =>
      Effect.forEach(items, () => TaskPool.submit(effect), { concurrency: "unbounded", discard: true })
    ).pipe(Effect.provide(layer), Effect.runPromise)

// The policy decides as usual, but the bounds leave it no choice.
const measured = inBatches(AioAutoScaleTaskPoolSimple.layer({ minSize: limit, maxSize: limit }))
const fixed = inBatches(AioFixedTaskPoolSimple.layer(limit))

const comparison = (what: string, kind: Kind, tasks: number): Omit<Comparison, "target"> => ({
  peer: `AioFixedTaskPoolSimple, ${what}`,
  ours: side(kind, tasks, measured),
  theirs: side(kind, tasks, fixed)
})

export const measuring: Benchmark = {
  name: "measuring",
  title:
    "an auto-scale pool, which measures itself, against a fixed one: 100,000 tasks in batches of 5,000, 10 workers",
  unit: "µs",
  comparisons: (quick) => {
    const tasks = quick ? 10_000 : 100_000
    return [{ ...comparison("tick", tick, tasks), target: { ratio: 1.05 } }, comparison("sync", sync, tasks)]
  }
}
