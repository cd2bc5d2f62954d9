import { TaskPool } from "@aio-task-pool/core"
import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"

/** Records which operations of the pools under test are used. */
export class Recording {
  private readonly operations = new Set<string>()
  private readonly used = new Set<PropertyKey>()

  /** Returns the layer of a pool that records the use of its operations. */
  of(layer: Layer.Layer<TaskPool>): Layer.Layer<TaskPool> {
    const recorded = Effect.map(TaskPool, (pool) => {
      for (const operation of Object.keys(pool)) this.operations.add(operation)
      return new Proxy(pool, {
        get: (target, name) => {
          this.used.add(name)
          return Reflect.get(target, name) as unknown
        }
      })
    })
    return Layer.provide(Layer.effect(TaskPool, recorded), layer)
  }

  /** Returns the operations that were not used, sorted by name. */
  get unused(): ReadonlyArray<string> {
    assert.isNotEmpty(this.operations, "no pool was recorded")
    return [...this.operations].filter((operation) => !this.used.has(operation)).sort()
  }
}
