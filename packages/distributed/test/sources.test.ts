/** What becomes of the source of a forEach that is interrupted. */
import { AioFixedTaskPoolSimple } from "@aio-task-pool/core"
import { DistributedTask, DistributedTaskPool } from "@aio-task-pool/distributed"
import { interruptedEverywhere } from "@aio-task-pool/testing/interrupting"
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"

const Echo = DistributedTask.make("echo", { payload: Schema.Int, success: Schema.Int })

/** Sources that open something when their iteration begins, as `events.on` adds a listener. */
class Sources {
  open = 0

  private begin() {
    this.open++
    let isOpen = true
    let next = 0
    const end = (): IteratorReturnResult<undefined> => {
      if (isOpen) this.open--
      isOpen = false
      return { done: true, value: undefined }
    }
    return { next: (): IteratorResult<number> => (next < 3 ? { done: false, value: next++ } : end()), return: end }
  }

  get sync(): Iterable<number> {
    return { [Symbol.iterator]: () => this.begin() }
  }

  get async(): AsyncIterable<number> {
    return {
      [Symbol.asyncIterator]: () => {
        const { next, return: end } = this.begin()
        return { next: async () => next(), return: async () => end() }
      }
    }
  }
}

for (const kind of ["sync", "async"] as const) {
  it.live(`a forEach that is interrupted ends its ${kind} source`, () =>
    Effect.gen(function* () {
      const pool = yield* DistributedTaskPool
      yield* pool.worker([Echo.handle(Effect.succeed)], { concurrency: 1 })
      const sources = new Sources()
      const operations = yield* interruptedEverywhere(
        Effect.suspend(() => pool.forEach(sources[kind], Echo, (n) => n)),
        (_exit, at) =>
          Effect.gen(function* () {
            // A source that is asked at this moment ends later.
            yield* Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))
            assert.strictEqual(sources.open, 0, `interrupted before operation ${at}`)
          })
      )
      assert.isAbove(operations, 20)
    }).pipe(
      Effect.scoped,
      Effect.provide(DistributedTaskPool.layerLocal(AioFixedTaskPoolSimple.layer(2), { name: "local" }))
    )
  )
}
