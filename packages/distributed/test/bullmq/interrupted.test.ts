/** What is left of a pool on Redis that is interrupted, or that fails, while something of it is made. */
import { interruptedEverywhere } from "@aio-task-pool/testing/interrupting"
import { isAvailable, RedisServer } from "@aio-task-pool/testing/RedisServer"
import { assert, describe, layer } from "@effect/vitest"
import { Effect } from "effect"
import { setImmediate as nextTurn } from "node:timers/promises"
import { interruptedPools } from "./interrupted.ts"
import { connection, eventually, kinds, poolName, Work } from "./kit.ts"

describe.skipIf(!isAvailable("interrupted pools on Redis"))("a pool on Redis", () => {
  interruptedPools(4)

  layer(RedisServer.layer, { excludeTestServices: true })((it) => {
    for (const id of [undefined, "one"]) {
      const name = id === undefined ? "a task" : "a task with an ID"
      it.effect(`whose submitter of ${name} is interrupted has no such task any more`, () =>
        Effect.gen(function* () {
          const pool = yield* kinds.Simple.make({ name: poolName() })
          const waiting = Effect.map(Effect.orDie(pool.stats), (stats) => stats.waiting)
          // No worker is there, so the task waits. One connection answers in order, and the submitter goes on first.
          const turn = Effect.promise(() => nextTurn())
          const stuck = Effect.andThen(
            eventually(waiting, (count) => count === 1),
            Effect.forEach([1, 2, 3], () => turn)
          )
          const operations = yield* interruptedEverywhere(
            pool.submit(Work, { key: "1" }, { id }),
            () => eventually(waiting, (count) => count === 0),
            { stuck }
          )
          assert.isAbove(operations, 20)
        }).pipe(Effect.scoped, Effect.provide(connection()))
      )
    }

    it.effect("whose submitter waits for the task of another one leaves that task when it is interrupted", () =>
      Effect.gen(function* () {
        const pool = yield* kinds.Simple.make({ name: poolName() })
        const handle = yield* pool.fork(Work, { key: "1" }, { id: "one" })
        const state = Effect.map(handle.state, (state) => assert.strictEqual(state, "Waiting"))
        // Ten questions take longer than the few of the submitter, which the same connection answers before.
        const stuck = Effect.orDie(Effect.repeat(state, { times: 10 }))
        const submit = Effect.suspend(() => pool.submit(Work, { key: "1" }, { id: "one" }))
        const operations = yield* interruptedEverywhere(submit, () => state, { stuck })
        assert.isAbove(operations, 20)
        yield* handle.cancel
      }).pipe(Effect.scoped, Effect.provide(connection()))
    )

    it.effect("that closes after a task was cancelled has no timer left that keeps the process alive", () =>
      Effect.gen(function* () {
        const { setTimeout } = globalThis
        const made: Array<NodeJS.Timeout> = []
        const recorded = (...args: Parameters<typeof setTimeout>) => {
          const timer = setTimeout(...args)
          // Only the pool repeats a cancellation after a second.
          if (args[1] === 1000) made.push(timer)
          return timer
        }
        const restore = Effect.sync(() => {
          globalThis.setTimeout = setTimeout
        })
        const use = Effect.gen(function* () {
          globalThis.setTimeout = recorded as typeof setTimeout
          const pool = yield* kinds.Simple.make({ name: poolName() })
          const handle = yield* pool.fork(Work, { key: "1" })
          yield* handle.cancel
        })
        yield* Effect.scoped(Effect.ensuring(use, restore)).pipe(Effect.provide(connection()))
        assert.isAbove(made.length, 0)
        assert.isFalse(made.some((timer) => timer.hasRef()))
      })
    )
  })
})
