import type { TaskHandle, TaskPoolService } from "@aio-task-pool/core"
import { assert } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as References from "effect/References"
import * as Stream from "effect/Stream"
import type { AnySpan } from "effect/Tracer"
import { AsyncLocalStorage } from "node:async_hooks"
import { gated, type Laws, occupy, start } from "./kit.ts"

class Who extends Context.Service<Who, string>()("@aio-task-pool/testing/Who") {}

const Colour = Context.Reference<string>("@aio-task-pool/testing/Colour", { defaultValue: () => "none" })

const storage = new AsyncLocalStorage<string>()

/** The context that a task sees: that of its submitter only. */
export const contextLaws = (laws: Laws): void => {
  for (const [verb, run] of verbs) {
    laws.law(`a task of ${verb} sees its submitter's context (I7)`, { size: 2 }, (pool) =>
      Effect.gen(function* () {
        for (const who of ["ann", "bob"]) assert.deepStrictEqual(yield* as(who, run(pool)), sightOf(who))
      })
    )

    laws.law(
      `a task of ${verb} that had to wait sees its submitter's context, not that of the task that made room (I7)`,
      // submitNowait cannot wait at the door.
      { needs: verb === "submitNowait" ? 1 : 0 },
      (pool) =>
        Effect.gen(function* () {
          const blocker = gated("done")
          const first = yield* start(as("cid", pool.submit(blocker.task)))
          yield* blocker.started
          const waiting = []
          const places = verb === "submitNowait" ? Math.min(laws.capacity ?? 3, 3) : 3
          for (const who of ["ann", "bob", "dan"].slice(0, places)) {
            waiting.push([who, yield* start(as(who, run(pool)))] as const)
          }
          yield* as("eve", blocker.open)
          for (const [who, fiber] of waiting) assert.deepStrictEqual(yield* Fiber.join(fiber), sightOf(who))
          yield* Fiber.join(first)
        })
    )
  }

  laws.law("the async context that a task enters reaches no other task (I7)", { size: 2 }, (pool) =>
    as(
      "ann",
      Effect.gen(function* () {
        const sights: Array<unknown> = []
        const leaving = Effect.sync(() => {
          sights.push(storage.getStore())
          storage.enterWith("eve")
        })
        const leavingLater = Effect.andThen(Effect.yieldNow, leaving)
        for (const task of [leaving, leavingLater]) {
          for (let i = 0; i < 3; i++) {
            yield* pool.submit(task)
            sights.push(storage.getStore())
          }
          for (let i = 0; i < 3; i++) {
            const handle = yield* pool.fork(task)
            sights.push(storage.getStore())
            yield* handle.join
          }
          for (let i = 0; i < 3; i++) yield* Effect.flatMap(pool.submitNowait(task), (handle) => handle.join)
          yield* Effect.all([pool.submit(task), pool.submit(task), pool.submit(task)], { concurrency: "unbounded" })
          yield* Stream.runDrain(pool.mapEffect(Stream.range(1, 4), () => task))
          yield* Stream.runDrain(pool.mapEffect(Stream.range(1, 4), () => task, { unordered: true }))
          yield* pool.forEach([1, 2, 3, 4], () => task)
          yield* pool.all([task, task, task, task])
          sights.push(storage.getStore())
        }
        assert.deepStrictEqual(new Set(sights), new Set(["ann"]))
      })
    )
  )

  laws.law("the submitter's own async context is untouched after the pool resumed it (I7)", {}, (pool) =>
    Effect.gen(function* () {
      const busy = yield* occupy(pool, 1)
      const fiber = yield* start(
        as(
          "ann",
          Effect.map(pool.submit(Effect.void), () => storage.getStore())
        )
      )
      yield* as("bob", busy.release)
      assert.strictEqual(yield* Fiber.join(fiber), "ann")
    })
  )

  laws.law("a task's forked children end with it, before its worker is free (I7)", {}, (pool) =>
    Effect.gen(function* () {
      const ended: Array<string> = []
      const child = Effect.onInterrupt(Effect.never, () =>
        Effect.andThen(
          Effect.yieldNow,
          Effect.sync(() => ended.push("child"))
        )
      )
      const parent = Effect.as(Effect.forkChild(child, { startImmediately: true }), "parent")
      const next = Effect.sync(() => ended.push("next"))
      const submitter = yield* start(pool.submit(parent))
      const follower = yield* start(pool.submit(next))
      assert.strictEqual(yield* Fiber.join(submitter), "parent")
      assert.deepStrictEqual(ended[0], "child")
      yield* Fiber.join(follower)
      assert.deepStrictEqual(ended, ["child", "next"])
    })
  )

  for (const [what, leave] of traces) {
    laws.law(`${what} that an item of forEach leaves behind does not reach the next item (I7)`, {}, (pool) =>
      as(
        "ann",
        Effect.gen(function* () {
          const children: Array<Fiber.Fiber<unknown>> = []
          const item = Effect.gen(function* () {
            const left = children.filter((child) => child.pollUnsafe() === undefined)
            const sight = yield* look
            const trace = yield* leave
            if (Fiber.isFiber(trace)) children.push(trace as Fiber.Fiber<unknown>)
            return [left, sight]
          })
          for (const seen of yield* pool.forEach([1, 2, 3, 4], () => item)) {
            assert.deepStrictEqual(seen, [[], sightOf("ann")])
          }
        })
      )
    )
  }

  laws.law("the async context that a source of forEach enters does not reach the items (I7)", {}, (pool) =>
    as(
      "ann",
      Effect.gen(function* () {
        const source = function* () {
          for (let i = 0; i < 4; i++) {
            const seen = storage.getStore()
            storage.enterWith("eve")
            yield seen
          }
        }
        for (const sight of yield* pool.forEach(source(), () => look)) assert.deepStrictEqual(sight, sightOf("ann"))
        // These items enter a context in the step in which they begin, when the next item is pulled.
        const item = (bySource: unknown) =>
          Effect.sync(() => {
            const seen = storage.getStore()
            storage.enterWith("bob")
            return [bySource, seen]
          })
        for (const seen of yield* pool.forEach(source(), item)) assert.deepStrictEqual(seen, ["ann", "ann"])
        assert.strictEqual(storage.getStore(), "ann")
      })
    )
  )

  laws.law("children of one task do not see the next task's worker as their own (I7)", {}, (pool) =>
    Effect.gen(function* () {
      const children: Array<Fiber.Fiber<never>> = []
      const parent = Effect.map(Effect.forkChild(Effect.never), (fiber) => void children.push(fiber))
      for (let i = 0; i < 3; i++) {
        yield* pool.submit(parent)
        assert.isDefined(children[i]!.pollUnsafe())
      }
    })
  )
}

// Changes that an item of a bulk may make to its fiber and its async context, and leave behind.
const traces: ReadonlyArray<readonly [string, Effect.Effect<unknown>]> = [
  ["nothing", Effect.void],
  ["an async context", Effect.sync(() => storage.enterWith("eve"))],
  [
    "a service",
    Effect.withFiber((fiber) => Effect.sync(() => fiber.setContext(Context.add(fiber.context, Who, "eve"))))
  ],
  ["a child", Effect.forkChild(Effect.never)],
  ["a finalizer that waits", Effect.ensuring(Effect.void, Effect.yieldNow)]
]

interface Sight {
  readonly who: string
  readonly colour: string
  readonly span: ReadonlyArray<string>
  readonly annotation: unknown
  readonly stored: string | undefined
}

const sightOf = (who: string): Sight => ({ who, colour: who, span: [who], annotation: who, stored: who })

// The context that a task sees before and after a wait. Both must be the submitter's.
const look: Effect.Effect<Sight, never, Who> = Effect.gen(function* () {
  const before = storage.getStore()
  yield* Effect.yieldNow
  const annotations = yield* References.CurrentLogAnnotations
  return {
    who: yield* Who,
    colour: yield* Colour,
    span: ancestors(yield* Effect.orDie(Effect.currentSpan)).filter((name) => people.has(name)),
    annotation: annotations["who"],
    stored: before === storage.getStore() ? before : `first ${before}, then ${storage.getStore()}`
  }
})

const people = new Set(["ann", "bob", "cid", "dan", "eve"])

const ancestors = (span: AnySpan): ReadonlyArray<string> =>
  span._tag === "ExternalSpan" ? [] : [span.name, ...(span.parent._tag === "Some" ? ancestors(span.parent.value) : [])]

const joined = (fork: (task: typeof look) => Effect.Effect<TaskHandle<Sight>, unknown, Who>) =>
  Effect.flatMap(fork(look), (handle) => handle.join)

const verbs: ReadonlyArray<readonly [string, (pool: TaskPoolService) => Effect.Effect<Sight, unknown, Who>]> = [
  ["submit", (pool) => pool.submit(look)],
  ["fork", (pool) => joined((task) => pool.fork(task))],
  ["submitNowait", (pool) => joined((task) => pool.submitNowait(task))]
]

// Runs an effect with its own service, reference, span, log annotation and async context.
const as = <A, E>(who: string, effect: Effect.Effect<A, E, Who>): Effect.Effect<A, E> => {
  const dressed = effect.pipe(
    Effect.provideService(Who, who),
    Effect.provideService(Colour, who),
    Effect.annotateLogs("who", who),
    Effect.withSpan(who)
  )
  return Effect.contextWith((context) =>
    Effect.callback<A, E>((resume) => {
      const fiber = storage.run(who, () => Effect.runForkWith(context)(dressed))
      fiber.addObserver(resume)
      return Fiber.interrupt(fiber)
    })
  )
}
