// An operation that no scenario uses would be tried by no step.
import { AioFixedTaskPoolSimple, TaskPool, type TaskPoolService } from "@aio-task-pool/core"
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { randomSteps, taskPoolScenarios } from "../../src/index.ts"

// They only look at the pool, or are other operations with another name.
const exceptions: ReadonlyArray<keyof TaskPoolService> = [
  "name",
  "stats",
  "events",
  "explain",
  "awaitEmpty",
  "awaitResized",
  "submitBlocking"
]

it.effect("the scenarios use every operation of a pool, but those that are named here", () =>
  Effect.gen(function* () {
    const used = new Set<PropertyKey>()
    const all = new Set<string>(exceptions)
    const watched = Layer.effect(
      TaskPool,
      Effect.map(TaskPool, (pool) => {
        for (const name of Object.keys(pool)) all.add(name)
        return new Proxy(pool, {
          get: (target, name) => {
            used.add(name)
            return Reflect.get(target, name) as unknown
          }
        })
      })
    )
    const scenarios = taskPoolScenarios(({ size, ...options }) =>
      Layer.provide(watched, AioFixedTaskPoolSimple.layer(size, options))
    )
    yield* randomSteps(scenarios, { seed: 1, runs: 1500 })
    const unused = [...all].filter((name) => !used.has(name) && !(exceptions as ReadonlyArray<string>).includes(name))
    assert.deepStrictEqual(unused, [])
  })
)
