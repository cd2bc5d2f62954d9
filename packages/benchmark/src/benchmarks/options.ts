/**
 * The cost of the options of `submit` and of a pool, on the work of `submit`.
 */
import { AioFixedTaskPoolSimple, TaskPool } from "@aio-task-pool/core"
import * as Effect from "effect/Effect"
import type { Benchmark } from "../benchmark.ts"
import { limit, side, tick, type Way } from "../work.ts"
import { submitTo, taskPool } from "../ways.ts"

const atOnce = { concurrency: "unbounded" } as const
const layer = AioFixedTaskPoolSimple.layer(limit)

const withOptions: Readonly<Record<string, Way>> = {
  "with a weight": ({ effect }, items) =>
    Effect.forEach(items, (item) => TaskPool.submit(effect, { weight: item }), atOnce).pipe(
      Effect.provide(layer),
      Effect.runPromise
    ),
  "with a capacity never reached": submitTo(AioFixedTaskPoolSimple.layer(limit, { capacity: 1_000_000 })),
  "inside a span": ({ effect }, items) =>
    Effect.forEach(items, () => TaskPool.submit(effect), atOnce).pipe(
      Effect.withSpan("benchmark"),
      Effect.provide(layer),
      Effect.runPromise
    )
}

export const options: Benchmark = {
  name: "options",
  title: "the work of submit: with an option (ours) against plain submit (theirs)",
  unit: "µs",
  comparisons: (quick) => {
    const tasks = quick ? 10_000 : 50_000
    return Object.entries(withOptions).map(([peer, way]) => ({
      peer,
      ours: side(tick, tasks, way),
      theirs: side(tick, tasks, taskPool)
    }))
  }
}
