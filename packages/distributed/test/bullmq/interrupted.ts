/** What is left of a pool on Redis that is interrupted, or that fails, while it opens, joins or closes. */
import { PoolRegistry } from "@aio-task-pool/core"
import { AioDistributedAutoScaleTaskPoolSimple, BullMq } from "@aio-task-pool/distributed/bullmq"
import { interruptedEverywhere } from "@aio-task-pool/testing/interrupting"
import { RedisServer } from "@aio-task-pool/testing/RedisServer"
import { assert, layer } from "@effect/vitest"
import { Cause, Effect, Exit, type Scope } from "effect"
import { Redis } from "ioredis"
import { eventually, Gates, kinds, poolName, Work } from "./kit.ts"

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

/** Interrupts an effect before its operations. Nothing may be left of it: no connection, timer or entry. */
const leavesNothing = (
  use: Effect.Effect<unknown, unknown, BullMq | Scope.Scope>,
  options: { readonly first: number; readonly stride: number }
) =>
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
      options
    )
    assert.isAbove(operations, 50)
    assert.isAbove(connections.made.length, 0)
  })

/**
 * Registers the interruptions before every `stride`th operation. The first test interrupts before every operation of
 * opening, and the third one before every operation of joining: it begins 22 operations before opening has ended.
 */
export const interruptedPools = (stride: number): void =>
  layer(RedisServer.layer, { excludeTestServices: true })((it) => {
    it.effect("that is interrupted while it opens leaves nothing", () =>
      leavesNothing(
        Effect.suspend(() => kinds.Simple.make({ name: poolName() })),
        { first: 1, stride: 1 }
      )
    )
    it.effect("that scales and is interrupted while it opens leaves nothing", () =>
      leavesNothing(
        Effect.suspend(() => AioDistributedAutoScaleTaskPoolSimple.make({ name: poolName() })),
        { first: 1, stride }
      )
    )
    it.effect("whose worker is interrupted while it starts leaves nothing", () =>
      leavesNothing(
        Effect.flatMap(
          Effect.suspend(() => kinds.Simple.make({ name: poolName() })),
          (pool) => pool.worker([new Gates().handler], { concurrency: 1 })
        ),
        { first: 90, stride: 1 }
      )
    )
    it.effect("that meets a pool of another kind leaves nothing", () =>
      leavesNothing(
        Effect.suspend(() => {
          const name = poolName()
          return Effect.andThen(kinds.Simple.make({ name }), Effect.flip(kinds.Lifo.make({ name })))
        }),
        { first: 1, stride }
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
        { first: 1, stride: 7 * stride }
      )
    )
  })
