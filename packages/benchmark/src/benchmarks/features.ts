/**
 * The cost of the options that a real workload asks for, when they are used and change nothing. Batches of tasks fit into
 * the young generation of the heap, because a major collection costs more than what is measured here.
 */
import { AioFixedTaskPoolPriority, AioFixedTaskPoolSimple, type SubmitOptions, TaskPool } from "@aio-task-pool/core"
import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import type { Benchmark } from "../benchmark.ts"
import { limit, side, tick, type Way, type Work } from "../work.ts"

const batch = 2_000

/** One caller per item, a batch of them at once. */
const callers =
  (layer: Layer.Layer<TaskPool>, call: (work: Work, item: number) => Effect.Effect<unknown, unknown, TaskPool>): Way =>
  (work, items) =>
    Effect.forEach(Arr.chunksOf(items, batch), (items) =>
      Effect.forEach(items, (item) => call(work, item), { concurrency: "unbounded", discard: true })
    ).pipe(Effect.provide(layer), Effect.runPromise)

const submit = (layer: Layer.Layer<TaskPool>, options?: (item: number) => SubmitOptions | undefined): Way =>
  callers(
    layer,
    options === undefined
      ? ({ effect }) => TaskPool.submit(effect)
      : ({ effect }, item) => TaskPool.submit(effect, options(item))
  )

const simple = AioFixedTaskPoolSimple.layer(limit)
const rated = AioFixedTaskPoolSimple.layer(limit, { rate: { limit: 1e9, window: "1 minute" } })
const plain = submit(simple)

const byWeight = (item: number): SubmitOptions => ({ weight: (item * 7919) % 1000 })
const urgent = submit(AioFixedTaskPoolPriority.layer(limit), byWeight)
const ageing = submit(AioFixedTaskPoolPriority.layer(limit, { ageing: "1 second" }), byWeight)

/**
 * Plain tasks, with the least that tells whether a key has a task: an entry in a map, from the submission until about the
 * end.
 */
const indexed: Way = (work, items) => {
  const keys = new Map<number, number>()
  const index = (item: number): undefined => {
    if (keys.get(item) === undefined) keys.set(item, 1)
    keys.delete(item - batch)
  }
  return submit(simple, index)(work, items)
}

/** A task that waits for another one of its pool, and two that do not. */
const nested = callers(simple, ({ effect }) => TaskPool.submit(TaskPool.submit(effect)))
const flat = callers(simple, ({ effect }) => Effect.andThen(TaskPool.submit(Effect.void), TaskPool.submit(effect)))

/** Each with the most that it may cost, relative to the way behind it; `undefined` for what only explains others. */
const ways: ReadonlyArray<readonly [name: string, ratio: number | undefined, ours: Way, theirs: Way]> = [
  ["a map entry per task", undefined, indexed, plain],
  ["permits: 1", 1.15, submit(simple, () => ({ permits: 1 })), plain],
  ["label", 1.15, submit(simple, () => ({ label: "task" })), plain],
  ["maxWait", 1.15, submit(simple, () => ({ maxWait: "1 minute" })), plain],
  ["rate", 1.15, submit(rated), plain],
  ["rate and cost", 1.15, submit(rated, () => ({ cost: 2 })), plain],
  ["key, 1,000 of them", 1.25, submit(simple, (item) => ({ key: item % 1000 })), plain],
  ["key, one per task", 1.25, submit(simple, (item) => ({ key: item })), plain],
  ["ageing against a priority pool", 1.1, ageing, urgent],
  ["nested submits against two flat ones", 1.5, nested, flat]
]

const title = "the work of submit in batches of 2,000: with an option (ours) against the same without it (theirs)"

export const features: Benchmark = {
  name: "features",
  title,
  unit: "µs",
  processes: 5,
  apart: true,
  comparisons: (quick) => {
    const tasks = quick ? 10_000 : 20_000
    return ways.map(([peer, ratio, ours, theirs]) => ({
      peer,
      ours: side(tick, tasks, ours),
      theirs: side(tick, tasks, theirs),
      ...(ratio !== undefined && { target: { ratio } })
    }))
  }
}

/** The same in a process that has used the options before in the list, as a program that uses them all. */
export const mixed: Benchmark = {
  ...features,
  name: "mixed",
  title: `${title}, all options in one process`,
  apart: false
}
