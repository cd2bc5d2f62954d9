/** What is left of a pool on Redis that is interrupted, or that fails, while something of it is made. */
import { PoolRegistry } from "@aio-task-pool/core"
import { AioDistributedAutoScaleTaskPoolSimple, BullMq } from "@aio-task-pool/distributed/bullmq"
import { interruptedEverywhere } from "@aio-task-pool/testing/interrupting"
import { isAvailable, RedisServer } from "@aio-task-pool/testing/RedisServer"
import { assert, describe, layer } from "@effect/vitest"
import { Cause, Effect, Exit, type Scope } from "effect"
import { Redis } from "ioredis"
import { setImmediate as nextTurn } from "node:timers/promises"
import { connection, eventually, Gates, kinds, poolName, Work } from "./kit.ts"

/** Notes the connections of pools, copies included. */
class Connections {
  readonly made: Array<Redis> = []

  private readonly url: string

  constructor(url: string) {
    this.url = url
  }

  private note(client: Redis): Redis {
    this.made.push(client)
    const duplicate = client.duplicate.bind(client)
    client.duplicate = (override) => this.note(duplicate(override))
    return client
  }

  readonly service = BullMq.of({
    connect: () => this.note(new Redis(this.url, { maxRetriesPerRequest: null })),
    prefix: "aio",
    connectTimeout: 10_000,
    server: "a server"
  })

  get open(): number {
    return this.made.filter(({ status }) => status !== "end").length
  }
}

/** Interrupts an effect before each of its operations. Nothing may be left of it: no connection, timer or entry. */
const leavesNothing = (use: Effect.Effect<unknown, unknown, BullMq | Scope.Scope>, stride = 1) =>
  Effect.gen(function* () {
    const { url } = yield* RedisServer
    const connections = new Connections(url)
    const registry = yield* PoolRegistry.make
    const subject = Effect.scoped(use).pipe(
      Effect.provideService(BullMq, connections.service),
      Effect.provideService(PoolRegistry, registry)
    )
    const operations = yield* interruptedEverywhere(
      subject,
      (exit, at, alive) =>
        Effect.gen(function* () {
          const isWell = Exit.isSuccess(exit) || Cause.hasInterruptsOnly(exit.cause)
          assert.isTrue(isWell, `interrupted before operation ${at}: ${String(exit)}`)
          // Sockets end, and short timers run, in turns of the event loop. What is left stays.
          let polls = 0
          const left = Effect.sync(() => ({ at, connections: connections.open, timers: alive("Timeout") }))
          const last = yield* eventually(left, (now) => ++polls > 20_000 || (now.connections === 0 && now.timers === 0))
          assert.strictEqual(last.connections + last.timers, 0, JSON.stringify(last))
          assert.deepStrictEqual(yield* registry.pools, [])
        }),
      { stride }
    )
    assert.isAbove(operations, 50)
    assert.isAbove(connections.made.length, 0)
  })

describe.skipIf(!isAvailable("interrupted pools on Redis"))("a pool on Redis", () => {
  layer(RedisServer.layer, { excludeTestServices: true })((it) => {
    it.effect("that is interrupted while it opens leaves nothing", () =>
      leavesNothing(Effect.suspend(() => kinds.Simple.make({ name: poolName() })))
    )
    it.effect("that scales and is interrupted while it opens leaves nothing", () =>
      leavesNothing(Effect.suspend(() => AioDistributedAutoScaleTaskPoolSimple.make({ name: poolName() })))
    )
    it.effect("whose worker is interrupted while it starts leaves nothing", () =>
      leavesNothing(
        Effect.flatMap(
          Effect.suspend(() => kinds.Simple.make({ name: poolName() })),
          (pool) => pool.worker([new Gates().handler], { concurrency: 1 })
        )
      )
    )
    it.effect("that meets a pool of another kind leaves nothing", () =>
      leavesNothing(
        Effect.suspend(() => {
          const name = poolName()
          return Effect.andThen(kinds.Simple.make({ name }), Effect.flip(kinds.Lifo.make({ name })))
        })
      )
    )
    it.effect("that is closed by several fibers at once, and opened again, leaves nothing", () =>
      leavesNothing(
        Effect.suspend(() => {
          const name = poolName()
          const gates = new Gates()
          const use = Effect.gen(function* () {
            const pool = yield* kinds.Simple.make({ name })
            yield* pool.worker([gates.handler], { concurrency: 1, shutdown: { drainTimeout: 0 } })
            const [running, waiting] = [yield* pool.fork(Work, { key: "a" }), yield* pool.fork(Work, { key: "b" })]
            yield* gates.started("a")
            const closes = [pool.close({ mode: "cancel" }), pool.close({ mode: "cancel" }), Effect.yieldNow]
            yield* Effect.all(closes, { concurrency: 3 })
            yield* pool.close()
            return [yield* running.await, yield* waiting.await].map(({ _tag }) => _tag)
          })
          return Effect.gen(function* () {
            assert.deepStrictEqual(yield* Effect.scoped(use), ["Failure", "Failure"])
            const again = yield* kinds.Simple.make({ name })
            yield* again.worker([new Gates().handler], { concurrency: 1 })
            assert.strictEqual(yield* again.submit(Work, { key: "now" }), "now")
          })
        }),
        // A run has hundreds of operations.
        7
      )
    )
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
