import { expectStats, gated, settle, start } from "@aio-task-pool/testing/kit"
import { AsyncLocalStorage } from "node:async_hooks"
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"
import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import * as Option from "effect/Option"
import * as References from "effect/References"
import type { AnySpan } from "effect/Tracer"
import { AioFixedTaskPoolPriority, AioFixedTaskPoolSimple, TaskPool, type TaskPoolService } from "../../../src/index.ts"

const { layer } = AioFixedTaskPoolSimple

setFlagsFromString("--expose-gc")
const collectGarbage = runInNewContext("gc") as () => void

class Tenant extends Context.Service<Tenant, { readonly name: string }>()("test/Tenant") {}
const Level = Context.Reference<string>("test/Level", { defaultValue: () => "default" })

/** The three ways to hand a task over; each gives its result. */
const ways: Record<
  string,
  <A, R>(pool: TaskPoolService, task: Effect.Effect<A, never, R>) => Effect.Effect<A, unknown, R>
> = {
  submit: (pool, task) => pool.submit(task),
  fork: (pool, task) => Effect.flatMap(pool.fork(task), ({ join }) => join),
  submitNowait: (pool, task) => Effect.flatMap(pool.submitNowait(task), ({ join }) => join)
}

/** The name of the nearest span that the pool has not made. */
const usersSpan = Effect.map(Effect.orDie(Effect.currentSpan), (current) => {
  let span: AnySpan = current
  while (span._tag === "Span" && span.name === "task_pool.task") span = Option.getOrThrow(span.parent)
  return span._tag === "Span" ? span.name : undefined
})

describe.for(Object.entries(ways))("a task handed over by %s", ([way, hand]) => {
  const look = Effect.gen(function* () {
    yield* Effect.yieldNow
    return {
      tenant: (yield* Tenant).name,
      level: yield* Level,
      span: yield* usersSpan,
      annotations: yield* References.CurrentLogAnnotations
    }
  })
  const as =
    (name: string) =>
    <A, E, R>(effect: Effect.Effect<A, E, R>) =>
      effect.pipe(
        Effect.provideService(Tenant, { name }),
        Effect.provideService(Level, `level ${name}`),
        Effect.withSpan(`span ${name}`),
        Effect.annotateLogs("tenant", name)
      )
  const expected = (name: string) => ({
    tenant: name,
    level: `level ${name}`,
    span: `span ${name}`,
    annotations: { tenant: name }
  })

  it.effect("sees its submitter's services, references, span and log annotations, started at once (I7)", () =>
    Effect.gen(function* () {
      const pool = yield* TaskPool
      assert.deepStrictEqual(yield* as("a")(hand(pool, look)), expected("a"))
    }).pipe(Effect.provide(layer(1)))
  )

  it.effect("sees its submitter's and nobody else's, started by another task's end (I7)", () =>
    Effect.gen(function* () {
      const pool = yield* TaskPool
      const busy = gated("busy")
      yield* as("holder")(pool.fork(busy.task))
      const fibers = yield* Effect.forEach(["a", "b", "c"], (name) => start(as(name)(hand(pool, look))))
      yield* expectStats({ waiting: 3 })
      yield* as("opener")(busy.open)
      assert.deepStrictEqual(yield* Effect.forEach(fibers, Fiber.join), [expected("a"), expected("b"), expected("c")])
    }).pipe(Effect.provide(layer(1)))
  )

  it.effect("keeps what it provides to itself", () =>
    Effect.gen(function* () {
      const pool = yield* TaskPool
      yield* hand(pool, as("task")(look))
      assert.strictEqual(yield* Level, "default")
      assert.deepStrictEqual(yield* References.CurrentLogAnnotations, {})
    }).pipe(Effect.provide(layer(1)))
  )

  describe("and its async context", () => {
    const storage = new AsyncLocalStorage<string>()
    const current = Effect.sync(() => storage.getStore())
    const hop = Effect.callback<void>((resume) => void setImmediate(() => resume(Effect.void)))
    /** What a task sees when it begins, and after it was suspended by Effect and by Node. */
    const lookAround = Effect.gen(function* () {
      const first = yield* current
      yield* Effect.yieldNow
      const second = yield* current
      yield* hop
      return [first, second, yield* current]
    })
    /** Runs in a promise of its own, as a request handler does: the store is Node's business. */
    const handlers = (
      pool: TaskPoolService,
      names: ReadonlyArray<string>,
      each: (pool: TaskPoolService, name: string) => Effect.Effect<unknown, unknown>
    ) =>
      Effect.promise(() =>
        Promise.all(names.map((name) => storage.run(name, () => Effect.runPromise(each(pool, name)))))
      )

    // Real time for one hop: the async context is Node's, and only Node can resume from it.
    for (const [kind, poolLayer] of [
      ["one worker", layer(1)],
      ["more workers than tasks", layer(10)],
      ["no queue", layer(1, { capacity: 0 })],
      ["priorities", AioFixedTaskPoolPriority.layer(2)]
    ] as const) {
      // Without a queue it is refused where the others wait at the door.
      if (way === "submitNowait" && kind === "no queue") continue
      it.live(`is its submitter's, whoever makes room for it: ${kind} (I7)`, () =>
        Effect.gen(function* () {
          const pool = yield* TaskPool
          const names = ["a", "b", "c", "d", "e"]
          const seen = yield* handlers(pool, names, (pool) => hand(pool, lookAround))
          assert.deepStrictEqual(
            seen,
            names.map((name) => [name, name, name])
          )
        }).pipe(Effect.provide(poolLayer))
      )
    }

    it.live("is still the submitter's own after it has its result", () =>
      Effect.gen(function* () {
        const pool = yield* TaskPool
        const seen = yield* handlers(pool, ["a", "b", "c"], (pool) => Effect.andThen(hand(pool, hop), current))
        assert.deepStrictEqual(seen, ["a", "b", "c"])
      }).pipe(Effect.provide(layer(1)))
    )

    it.live("is its submitter's when a resize makes room", () =>
      Effect.gen(function* () {
        const pool = yield* TaskPool
        yield* pool.resize(0)
        const running = handlers(pool, ["a", "b"], (pool) => hand(pool, lookAround))
        const fiber = yield* start(running)
        yield* settle
        yield* Effect.sync(() => storage.run("resizer", () => Effect.runSync(pool.resize(1))))
        assert.deepStrictEqual(yield* Fiber.join(fiber), [
          ["a", "a", "a"],
          ["b", "b", "b"]
        ])
      }).pipe(Effect.provide(layer(1)))
    )

    it.live("is its submitter's beyond 1,024 tasks that end in one step", () =>
      Effect.gen(function* () {
        const pool = yield* TaskPool
        yield* pool.resize(0)
        const names = Array.from({ length: 1500 }, (_, i) => `request ${i}`)
        const fiber = yield* start(handlers(pool, names, (pool) => hand(pool, current)))
        yield* settle
        yield* pool.resize(1)
        assert.deepStrictEqual(yield* Fiber.join(fiber), names)
      }).pipe(Effect.provide(layer(1)))
    )
  })
})

describe("a settled task", () => {
  it.effect("lets go of its work, its arguments and its context, though its handle is kept (I6)", () =>
    Effect.gen(function* () {
      const gate = yield* Latch.make()
      // In a function of its own: no variable of the test keeps what is looked for.
      const fork = Effect.suspend(() => {
        const held = [{ as: "work" }, { as: "argument" }, { name: "context" }] as const
        const task = (argument: object) => Effect.as(gate.await, [argument, held[0]].length)
        return TaskPool.fork(task, { args: [held[1]] }).pipe(
          Effect.map((handle) => ({ handle, refs: held.map((each) => new WeakRef(each)) })),
          Effect.provideService(Tenant, held[2])
        )
      })
      const { handle, refs } = yield* fork
      yield* gate.open
      assert.strictEqual(yield* handle.join, 2)
      // An open pool keeps the context of its last submitter, and only of that one.
      yield* TaskPool.submit(Effect.void)
      // What the engine's compiler looks at in another thread lives until it is done, however long that takes.
      for (let i = 0; i < 1000 && refs.some((ref) => ref.deref() !== undefined); i++) {
        yield* Effect.callback<void>((resume) => void setImmediate(() => resume(Effect.void)))
        collectGarbage()
      }
      assert.deepStrictEqual(
        refs.map((ref) => ref.deref()),
        [undefined, undefined, undefined]
      )
      assert.strictEqual(yield* handle.state, "Done")
    }).pipe(Effect.provide(layer(1)))
  )
})
