/** The ways to drive the server. Each runs until it is interrupted, and always has a next task. */
import { AioAutoScaleTaskPoolSimple, AioFixedTaskPoolSimple, type TaskPoolService } from "@aio-task-pool/core"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import type { Exit } from "effect/Exit"
import type { Scope } from "effect/Scope"
import PQueue from "p-queue"
import { Rejected, type Server } from "./client.ts"
import type { Meter } from "./record.ts"

export interface Way {
  readonly name: string
  /** Returns the effect that drives the server, and the listener for a new capacity. */
  readonly make: (server: Server, record: Meter) => Effect.Effect<Driver, never, Scope>
}

export interface Driver {
  readonly run: Effect.Effect<unknown>
  /** Called with each new capacity; only the oracle listens. */
  readonly onStep: (capacity: number) => Effect.Effect<unknown>
  readonly pool: TaskPoolService | undefined
}

function* forever(): Generator<void> {
  while (true) yield
}

const throughPool = (pool: TaskPoolService, server: Server, record: Meter): Effect.Effect<unknown> =>
  Effect.gen(function* () {
    const task = Effect.suspend(() => {
      const end = record.begin()
      return Effect.onExit(server.call, (exit) => Effect.sync(() => end(exit._tag === "Success")))
    })
    // A handle for each task: the pool sees the failures, and the loop continues.
    for (const _ of forever()) yield* Effect.ignoreCause(pool.fork(task))
  })

const capacityOfQueue = 50

const fixed = (name: string, size: number, follow = false): Way => ({
  name,
  make: Effect.fnUntraced(function* (server, record) {
    const pool = yield* AioFixedTaskPoolSimple.make({ size, capacity: capacityOfQueue, shutdown })
    return {
      run: throughPool(pool, server, record),
      onStep: (capacity) => (follow ? pool.resize(capacity) : Effect.void),
      pool
    }
  })
})

const shutdown = { drainTimeout: 0 } as const

const classify = (exit: Exit<unknown, unknown>) =>
  exit._tag === "Success" ? "success" : Cause.squash(exit.cause) instanceof Rejected ? "overload" : "ignore"

const autoScale: Way = {
  name: "auto-scale pool, 1 to 200",
  make: Effect.fnUntraced(function* (server, record) {
    const pool = yield* AioAutoScaleTaskPoolSimple.make({
      minSize: 1,
      maxSize: 200,
      capacity: capacityOfQueue,
      shutdown,
      classify
    })
    return { run: throughPool(pool, server, record), onStep: () => Effect.void, pool }
  })
}

const pQueue = (concurrency: number): Way => ({
  name: `p-queue, ${concurrency}`,
  make: Effect.fnUntraced(function* (server, record) {
    const queue = new PQueue({ concurrency })
    yield* Effect.addFinalizer(() => {
      queue.clear()
      return Effect.promise(async () => queue.onIdle())
    })
    const task = async (): Promise<void> => {
      const end = record.begin()
      end((await server.request("/work")) === 200)
    }
    const run = Effect.promise(async (signal) => {
      while (!signal.aborted) {
        void queue.add(task)
        await queue.onSizeLessThan(capacityOfQueue)
      }
    })
    return { run, onStep: () => Effect.void, pool: undefined }
  })
})

export const ways: ReadonlyArray<Way> = [
  fixed("oracle: fixed pool, resized to the capacity", 40, true),
  autoScale,
  fixed("fixed pool, 8", 8),
  pQueue(8),
  pQueue(40),
  pQueue(200)
]
