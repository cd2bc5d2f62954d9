/**
 * The kit of the laws for distributed pools.
 *
 * A law runs in real time, because a broker does. It waits for conditions and never sleeps to be late enough. Functions
 * cannot travel, so the payload of a law's task is a key: the worker, in the same process, finds the function of the key
 * in a map.
 */
import {
  DistributedTask,
  type DistributedTaskHandle,
  DistributedTaskPool,
  type DistributedTaskPoolService,
  type DistributedPoolStats,
  type SubmitOptions,
  type TaskContext,
  type WorkerOptions
} from "@aio-task-pool/distributed"
import { assert, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"

/** The pool that a law needs. */
export interface DistributedLawOptions {
  /** A name that no other pool has. */
  readonly name: string
  /** How many tasks run at once. An auto-scale pool must stay at this size, and must allow 0 to 100. */
  readonly size: number
  readonly sizeLimit?: number | undefined
  readonly rate?: { readonly limit: number; readonly window: number } | undefined
}

/** Returns the layer of the pool under test, in this process. */
export type DistributedLayerOf = (options: DistributedLawOptions) => Layer.Layer<DistributedTaskPool, unknown>

/** A typed failure. */
export class Refused extends Schema.TaggedError<Refused>()("Refused", { why: Schema.String }) {}

/** The task whose payload is the key of a function. */
export const Call = DistributedTask.make("call", {
  payload: Schema.String,
  success: Schema.String,
  error: Refused,
  progress: Schema.Int
})

type Body = Effect.Effect<string, Refused>

/** A body that waits until a law opens it. */
export interface Gate {
  readonly body: Body
  readonly started: Effect.Effect<void>
  readonly open: Effect.Effect<void>
  /** How often the body began, and how often its finalizer ended. */
  readonly counts: { begun: number; ended: number }
}

export const gate = (value: string): Gate => {
  const started = Deferred.makeUnsafe<void>()
  const opened = Deferred.makeUnsafe<void>()
  const counts = { begun: 0, ended: 0 }
  const begin = Effect.suspend(() => {
    counts.begun++
    return Deferred.succeed(started, undefined)
  })
  return {
    body: begin.pipe(
      Effect.andThen(Deferred.await(opened)),
      Effect.andThen(Effect.succeed(value)),
      Effect.ensuring(Effect.sync(() => counts.ended++))
    ),
    started: Deferred.await(started),
    open: Effect.asVoid(Deferred.succeed(opened, undefined)),
    counts
  }
}

/** A pool, and the functions of its tasks. */
export class World {
  readonly pool: DistributedTaskPoolService
  private readonly bodies = new Map<string, (context: TaskContext<number>) => Body>()

  constructor(pool: DistributedTaskPoolService) {
    this.pool = pool
  }

  /** Returns the payload that runs a body. */
  payload(body: Body | ((context: TaskContext<number>) => Body)): string {
    const key = `body ${this.bodies.size}`
    this.bodies.set(key, typeof body === "function" ? body : () => body)
    return key
  }

  submit(body: Body | ((context: TaskContext<number>) => Body), options?: SubmitOptions) {
    return this.pool.submit(Call, this.payload(body), options)
  }

  fork(body: Body | ((context: TaskContext<number>) => Body), options?: SubmitOptions) {
    return this.pool.fork(Call, this.payload(body), options)
  }

  /** The handler of `Call`. */
  readonly handler = Call.handle((key, context) => {
    const body = this.bodies.get(key)
    return body === undefined ? Effect.die(new Error(`no body for ${key}`)) : body(context)
  })

  /** Starts a worker, which ends with the scope. It waits only shortly for tasks that a failed law leaves behind. */
  worker(options?: Partial<WorkerOptions>): Effect.Effect<void, never, Scope.Scope> {
    return this.pool.worker([this.handler], { concurrency: 8, shutdown: { drainTimeout: 100 }, ...options })
  }

  /** Waits until the statistics fulfill a condition. */
  until(holds: (stats: DistributedPoolStats) => boolean): Effect.Effect<void, unknown> {
    return Effect.suspend(() => until(Effect.map(this.pool.stats, holds), Effect.map(this.pool.stats, JSON.stringify)))
  }

  /** Holds the pool, forks one task per weight, and returns the order in which one worker runs them. */
  orderOf(weights: ReadonlyArray<number>): Effect.Effect<ReadonlyArray<number>, unknown, Scope.Scope> {
    return Effect.gen({ self: this }, function* () {
      const order: Array<number> = []
      yield* this.pool.holdDispatch
      const handles: Array<DistributedTaskHandle<string, Refused>> = []
      for (const [index, weight] of weights.entries()) {
        const body = Effect.sync(() => {
          order.push(index)
          return ""
        })
        handles.push(yield* this.fork(body, { weight }))
      }
      yield* this.worker({ concurrency: 1 })
      yield* this.pool.releaseDispatch
      for (const handle of handles) yield* handle.join
      return order
    })
  }
}

/** Waits in real time until an effect returns `true`. Fails after a minute: nothing takes that long. */
export const until = <E>(
  condition: Effect.Effect<boolean, E>,
  report: Effect.Effect<string, E> = Effect.succeed("")
): Effect.Effect<void, E> =>
  Effect.gen(function* () {
    for (let round = 0; round < 6000; round++) {
      if (yield* condition) return
      yield* Effect.sleep(10)
    }
    return assert.fail(`the condition never held ${yield* report}`)
  })

/** The timeout of a law, in milliseconds. No law depends on the speed of the machine: one that takes longer hangs. */
const lawTimeout = 3 * 60_000

/** The time of the broker and of the workers, in milliseconds. */
export const now = Clock.currentTimeMillis

let pools = 0

/** Registers the laws of one kind of pool. */
export class DistributedLaws {
  readonly layerOf: DistributedLayerOf
  /** Whether layers of one name, also in other processes, are one pool. */
  readonly shared: boolean

  constructor(layerOf: DistributedLayerOf, shared: boolean) {
    this.layerOf = layerOf
    this.shared = shared
  }

  /** Registers a law: a sentence about a pool of 4 places by default, without a worker. */
  law(
    sentence: string,
    options: Partial<DistributedLawOptions>,
    body: (world: World, name: string) => Effect.Effect<unknown, unknown, Scope.Scope>
  ): void {
    it.live(
      sentence,
      () =>
        Effect.suspend(() => {
          const name = freshName()
          const law = Effect.flatMap(DistributedTaskPool, (pool) => Effect.scoped(body(new World(pool), name)))
          return Effect.provide(law, this.layerOf({ name, size: 4, ...options }))
        }),
      lawTimeout
    )
  }
}

/** A name that no other run has: a broker may keep the pools of earlier ones. */
export const freshName = (): string => `law-${crypto.randomUUID().slice(0, 13)}-${++pools}`
