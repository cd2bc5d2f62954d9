/** What the tests over Redis share: a pool on a server of their own, tasks that wait for gates, and a raw client. */
import { DistributedTask, DistributedTaskPool } from "@aio-task-pool/distributed"
import {
  AioDistributedFixedTaskPoolLifo,
  AioDistributedFixedTaskPoolPriority,
  AioDistributedFixedTaskPoolSimple,
  BullMq,
  type BullMqFixedPoolOptions,
  type BullMqOptions
} from "@aio-task-pool/distributed/bullmq"
import { RedisServer } from "@aio-task-pool/testing/RedisServer"
import { Deferred, Effect, Layer, Schema } from "effect"
import { Redis } from "ioredis"

export class Failed extends Schema.TaggedError<Failed>()("Failed", { why: Schema.String }) {}

/** A task whose handler a test finds by the payload. */
export const Work = DistributedTask.make("work", {
  payload: Schema.Struct({ key: Schema.String }),
  success: Schema.String,
  error: Failed
})

/** A task that no worker of these tests handles. */
export const Stranger = DistributedTask.make("stranger", { success: Schema.String })

export class Pool extends DistributedTaskPool.Tag<Pool>()("test/Pool") {}

export const kinds = {
  Simple: AioDistributedFixedTaskPoolSimple,
  Lifo: AioDistributedFixedTaskPoolLifo,
  Priority: AioDistributedFixedTaskPoolPriority
}

let pools = 0
/** A name that no other test uses. */
export const poolName = (): string => `test-${process.pid}-${pools++}`

/** Connects to the server of the context. */
export const connection = (options: Partial<BullMqOptions> = {}): Layer.Layer<BullMq, never, RedisServer> =>
  Layer.unwrap(Effect.map(RedisServer, ({ url }) => BullMq.layer({ url, ...options })))

export const poolLayer = (
  options: Partial<BullMqFixedPoolOptions> & { readonly kind?: keyof typeof kinds } = {},
  connect: Partial<BullMqOptions> = {}
) => {
  const { kind = "Simple", ...rest } = options
  const layer = kinds[kind].layer({ size: 1, name: poolName(), ...rest, tag: Pool })
  return Layer.provide(layer, connection(connect))
}

/** Makes another client of a pool, as another process would have it. */
export const client = (options: Partial<BullMqFixedPoolOptions> & { readonly name: string }) => {
  const layer = kinds.Simple.layer({ size: 1, ...options, tag: Pool })
  return Effect.map(Layer.build(Layer.provide(Layer.fresh(layer), connection())), (context) =>
    Layer.succeedContext(context)
  )
}

/** Handlers of `Work` by key: each counts its runs, and waits until it is opened. */
export class Gates {
  readonly runs: Array<string> = []
  readonly ended: Array<string> = []
  private readonly gates = new Map<string, Deferred.Deferred<string, Failed>>()
  private readonly starts = new Map<string, Deferred.Deferred<void>>()

  private gate(key: string): Deferred.Deferred<string, Failed> {
    let gate = this.gates.get(key)
    if (gate === undefined) this.gates.set(key, (gate = Deferred.makeUnsafe()))
    return gate
  }

  private start(key: string): Deferred.Deferred<void> {
    let start = this.starts.get(key)
    if (start === undefined) this.starts.set(key, (start = Deferred.makeUnsafe()))
    return start
  }

  /** A key that begins with `now` does not wait. */
  readonly handler = Work.handle(({ key }) =>
    Effect.suspend(() => {
      this.runs.push(key)
      Deferred.doneUnsafe(this.start(key), Effect.void)
      return key.startsWith("now") ? Effect.succeed(key) : Deferred.await(this.gate(key))
    }).pipe(Effect.ensuring(Effect.sync(() => void this.ended.push(key))))
  )

  readonly started = (key: string) => Deferred.await(this.start(key))
  readonly open = (key: string) => Deferred.succeed(this.gate(key), key)
  readonly fail = (key: string, why: string) => Deferred.fail(this.gate(key), new Failed({ why }))
}

/** A raw client of the server, as any other program would have it. */
export const rawClient = Effect.flatMap(RedisServer, ({ url }) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const raw = new Redis(url, { maxRetriesPerRequest: null })
      raw.on("error", () => {})
      return raw
    }),
    (raw) => Effect.sync(() => raw.disconnect())
  )
)

/** Polls in real time, because only the broker knows. The test's time limit ends it. */
export const eventually = <A, E, R>(
  effect: Effect.Effect<A, E, R>,
  holds: (value: A) => boolean
): Effect.Effect<A, E, R> =>
  Effect.flatMap(effect, (value) =>
    holds(value) ? Effect.succeed(value) : Effect.andThen(Effect.sleep(5), eventually(effect, holds))
  )
