/** Tables of hostile user code: its deeds, and the places where pools call it. */
import type { AutoScalePolicy, TaskPoolService } from "@aio-task-pool/core"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { Deed, HostileWorld, Hook, Place } from "../internal/hostileWorld.ts"

// ---- the deeds of hostile code ---------------------------------------------------------------------------------------

const uses = (name: string, use: (world: HostileWorld) => void, harms = false): Deed => ({
  name: `uses the pool: ${name}`,
  kind: "uses",
  use,
  harms
})

const operates = (
  name: string,
  operation: (pool: TaskPoolService) => Effect.Effect<unknown, unknown>,
  harms = false
): Deed => uses(name, (world) => world.side(name, operation(world.pool)), harms)

const hard = { mode: "hard" } as const
const interrupting = { mode: "interrupt" } as const

/** All deeds of hostile code. */
export const deeds: ReadonlyArray<Deed> = [
  { name: "throws", kind: "throws" },
  ...[undefined, null, 5, "x", {}].map((value): Deed => ({
    name: `returns ${value === undefined ? "undefined" : JSON.stringify(value)}`,
    kind: "returns",
    value
  })),
  { name: "never returns", kind: "never" },
  uses("submit", (world) => world.submit("a side task", false)),
  uses("submit, twice", (world) => {
    world.submit("a side task", false)
    world.submit("a side task", false)
  }),
  uses("fork", (world) => world.fork("a side task", false)),
  uses("submitNowait", (world) => world.fork("a side task", false, world.work(), true)),
  uses("submitNowait of a task that ends at once", (world) => world.fork("a side task", false, Effect.void, true)),
  uses("forEach", (world) => world.forEach("a side bulk", false)),
  operates("mapEffect", (pool) => Stream.runDrain(pool.mapEffect(Stream.range(1, 3), () => Effect.yieldNow))),
  operates("scale up", (pool) => pool.scale(1)),
  operates("scale down", (pool) => pool.scale(-1)),
  operates("scale down hard", (pool) => pool.scale(-1, hard), true),
  operates("resize to 0", (pool) => pool.resize(0)),
  operates("resize to 0, hard", (pool) => pool.resize(0, hard), true),
  operates("resize to 0 and back", (pool) => Effect.andThen(pool.resize(0), pool.resize(2))),
  operates("pause", (pool) => pool.pause, true),
  operates("pause and resume", (pool) => Effect.andThen(pool.pause, pool.resume), true),
  operates("close, draining", (pool) => pool.close(), true),
  operates("close, interrupting", (pool) => pool.close(interrupting), true),
  operates("close and start", (pool) => Effect.andThen(pool.close(interrupting), pool.start), true),
  operates("start", (pool) => pool.start),
  operates("hold dispatch and release it", (pool) => pool.withDispatchHeld(Effect.yieldNow)),
  operates("pause for a step", (pool) => pool.withPaused(Effect.yieldNow), true),
  operates("clear", (pool) => pool.clear(), true),
  operates("submit with a key", (pool) => pool.submit(Effect.yieldNow, { key: "k" })),
  {
    ...operates("submit of a task that is tried again", (pool) =>
      pool.submit(flaky(Effect.yieldNow), { retry: { times: 1 } })
    ),
    comesBack: 1
  },
  operates("awaitStats", (pool) => pool.awaitStats(({ running }) => running === 0)),
  operates("stats", (pool) => pool.stats),
  operates("inspect", (pool) => pool.inspect()),
  operates("awaitIdle", (pool) => pool.awaitIdle),
  operates("awaitResized", (pool) => pool.awaitResized),
  uses("cancel the first", (world) => cancels(world, world.handles[0]), true),
  uses("cancel the last", (world) => cancels(world, world.handles.at(-1)), true),
  uses(
    "end its scope",
    (world) => {
      world.scopeEnds = true
      world.side("ending the scope", Scope.close(world.poolScope, Exit.fail("failure")))
    },
    true
  )
]

/** A task that fails the first time. */
const flaky = <A>(then: Effect.Effect<A>): Effect.Effect<A, string> => {
  let failed = false
  return Effect.suspend((): Effect.Effect<A, string> => {
    if (failed) return then
    failed = true
    return Effect.fail("own")
  })
}

const cancels = (world: HostileWorld, handle: { readonly cancel: Effect.Effect<void> } | undefined): void => {
  if (handle !== undefined) world.side("cancel", handle.cancel)
}

// ---- the places where pools call user code -----------------------------------------------------------------------------------

type PartOfSource = "iterable" | "next" | "next later" | "done" | "value" | "return"

// Three items, with hostile code in one part.
const syncSource = (hook: Hook, part: PartOfSource): Iterable<number> => {
  let given = 0
  const iterator = {
    next: (): any => {
      const result = { done: given >= 3, value: given++ }
      if (part === "done")
        return {
          value: result.value,
          get done() {
            return hook.act(result.done)
          }
        }
      if (part === "value")
        return {
          done: result.done,
          get value() {
            return hook.act(result.value)
          }
        }
      return part === "next" ? hook.act(result) : result
    },
    return: (): any => (part === "return" ? hook.act({ done: true, value: 0 }) : { done: true, value: 0 })
  }
  return { [Symbol.iterator]: () => (part === "iterable" ? hook.act(iterator) : iterator) }
}

const asyncSource = (hook: Hook, part: PartOfSource): AsyncIterable<number> => {
  const inner = syncSource(hook, part === "done" || part === "value" ? part : "next later")[Symbol.iterator]()
  const iterator = {
    next: (): any => {
      const result = inner.next()
      return part === "next" || part === "next later"
        ? hook.promise(result, part === "next later")
        : Promise.resolve(result)
    },
    return: (): any => {
      const result = { done: true as const, value: 0 }
      return part === "return" ? hook.promise(result, true) : Promise.resolve(result)
    }
  }
  return { [Symbol.asyncIterator]: () => (part === "iterable" ? hook.act(iterator) : iterator) as any }
}

const sources: ReadonlyArray<Place> = (["iterable", "next", "next later", "done", "value", "return"] as const).flatMap(
  (part) => {
    const what = {
      iterable: "the opening",
      next: "next",
      "next later": "next, after a while,",
      done: "the done of a result",
      value: "the value of a result",
      return: "return"
    }[part]
    const body = (world: HostileWorld) => (item: number) =>
      part === "return" && item === 1 ? Effect.fail("own") : world.work()
    const common = {
      returned: part === "iterable" || part === "next" || part === "next later" ? "defect" : "any",
      objects: part === "next" || part === "next later",
      often: part !== "iterable" && part !== "return",
      ...(part === "return" ? { fails: "own" } : {}),
      // Leaving a source early goes through a promise.
      promises: true
    } as const
    const places: Array<Place> = [
      {
        ...common,
        name: `${what} of an asynchronous source`,
        call: (world, hook) => world.pool.forEach(asyncSource(hook, part), body(world)),
        // `return` is not awaited while an item is pending.
        thrown: part === "return" ? "any" : "defect",
        never: part === "next" || part === "next later",
        silent: true
      }
    ]
    if (part !== "next later") {
      places.push({
        ...common,
        name: `${what} of a source`,
        thrown: "defect",
        call: (world, hook) => world.pool.forEach(syncSource(hook, part), body(world))
      })
    }
    return places
  }
)

const items = [1, 2, 3]

/** The places where pools call user code. */
export const places: ReadonlyArray<Place> = [
  {
    name: "the function of a task",
    call: ({ pool, work }, hook) => pool.submit(() => hook.act(work())),
    thrown: "defect",
    returned: "defect"
  },
  {
    name: "the function of a forked task",
    call: ({ pool, work }, hook) =>
      Effect.flatMap(
        pool.fork(() => hook.act(work())),
        (handle) => handle.join
      ),
    thrown: "defect",
    returned: "defect"
  },
  {
    name: "a task before it suspends",
    call: ({ pool, work }, hook) => pool.submit(hook.effect(work())),
    thrown: "defect",
    returned: "defect",
    never: true
  },
  {
    name: "a task after it has suspended",
    call: ({ pool, work }, hook) => pool.submit(Effect.andThen(Effect.yieldNow, hook.effect(work()))),
    thrown: "defect",
    returned: "defect",
    never: true
  },
  {
    name: "a forked task that suspends",
    call: ({ pool, work }, hook) =>
      Effect.flatMap(pool.fork(Effect.andThen(Effect.yieldNow, hook.effect(work()))), (handle) =>
        Effect.onInterrupt(handle.join, () => handle.cancel)
      ),
    thrown: "defect",
    returned: "defect",
    never: true
  },
  {
    name: "the finalizer of a task",
    call: ({ pool, work }, hook) => pool.submit(Effect.ensuring(work(), hook.effect(Effect.void))),
    thrown: "defect",
    returned: "defect"
  },
  {
    name: "the finalizer of a task that fails",
    call: ({ pool }, hook) => pool.submit(Effect.ensuring(Effect.fail("own"), hook.effect(Effect.void))),
    thrown: "defect",
    returned: "any"
  },
  {
    name: "the finalizer of a task that is cancelled",
    call: ({ pool }, hook) =>
      Effect.flatMap(pool.fork(Effect.onInterrupt(Effect.never, () => hook.effect(Effect.void))), (handle) =>
        Effect.andThen(handle.cancel, handle.join)
      ),
    thrown: "defect",
    returned: "any"
  },
  {
    name: "the finalizer of a task whose submitter is interrupted",
    call: ({ pool }, hook) =>
      Effect.timeoutOption(
        pool.submit(
          Effect.onInterrupt(Effect.andThen(Effect.yieldNow, Effect.interrupt), () => hook.effect(Effect.void))
        ),
        "1 hour"
      ),
    thrown: "defect",
    returned: "any"
  },
  {
    name: "the list of a task's arguments",
    call: ({ pool, work }, hook) =>
      pool.submit((..._args: ReadonlyArray<number>) => work(), {
        args: Object.assign([1], { [Symbol.iterator]: () => hook.act([1][Symbol.iterator]()) }) as any
      }),
    thrown: "defect",
    returned: "defect"
  },
  {
    name: "the getter of a task's arguments",
    call: ({ pool, work }, hook) =>
      pool.submit((_arg: number) => work(), {
        get args() {
          return hook.act([1] as [number])
        }
      }),
    thrown: "defect",
    returned: "any"
  },
  {
    name: "the getter of a task's weight",
    call: ({ pool, work }, hook) =>
      pool.submit(work(), {
        get weight() {
          return hook.act(1)
        }
      }),
    thrown: "defect",
    returned: "any"
  },
  {
    name: "the getter of a weight of a forked task",
    call: ({ pool, work }, hook) =>
      pool.fork(work(), {
        get weight() {
          return hook.act(1)
        }
      }),
    thrown: "defect",
    returned: "any"
  },
  {
    name: "the getter of a weight of a bulk",
    call: ({ pool, work }, hook) =>
      pool.forEach(items, work, {
        get weight() {
          return hook.act(1)
        }
      }),
    thrown: "defect",
    returned: "any"
  },
  {
    name: "the getter of whether a bulk discards",
    call: ({ pool, work }, hook) =>
      pool.forEach(items, work, {
        get discard() {
          return hook.act(true as const)
        }
      }),
    thrown: "defect",
    returned: "any"
  },
  {
    name: "the getter of the size of a buffer",
    call: ({ pool, work }, hook) =>
      Stream.runDrain(
        Stream.suspend(() =>
          pool.mapEffect(Stream.fromIterable(items), work, {
            get bufferSize() {
              return hook.act(2)
            }
          })
        )
      ),
    thrown: "defect",
    returned: "any"
  },
  {
    name: "the getter of a mode of resizing",
    call: ({ pool }, hook) =>
      pool.scale(1, {
        get mode() {
          return hook.act("soft" as const)
        }
      }),
    thrown: "defect",
    returned: "any"
  },
  {
    name: "the getter of a mode of closing",
    call: ({ pool }, hook) =>
      pool.close({
        get mode() {
          return hook.act("drain" as const)
        }
      }),
    thrown: "defect",
    returned: "any",
    harms: true
  },
  {
    name: "the getter of a task in a record",
    call: ({ pool, work }, hook) =>
      Effect.suspend(() =>
        pool.all({
          a: work(),
          get b() {
            return hook.act(work())
          }
        })
      ),
    thrown: "defect",
    returned: "defect"
  },
  {
    name: "the while of a retry",
    call: ({ pool, work }, hook) => pool.submit(flaky(work()), { retry: { times: 1, while: () => hook.act(true) } }),
    comesBack: 1,
    thrown: "defect",
    returned: "any"
  },
  {
    name: "the until of a retry of a task that is handed over",
    call: ({ pool, work }, hook) =>
      Effect.flatMap(
        pool.fork(Effect.andThen(Effect.yieldNow, flaky(work())), {
          retry: { times: 3, until: () => hook.act(false) }
        }),
        (handle) => handle.join
      ),
    comesBack: 1,
    thrown: "defect",
    returned: "any"
  },
  {
    name: "the schedule of a retry",
    call: ({ pool, work }, hook) =>
      pool.submit(flaky(work()), {
        retry: Schedule.modifyDelay(Schedule.recurs(1), () => hook.effect(Effect.succeed(0)))
      }),
    comesBack: 1,
    thrown: "defect",
    returned: "defect",
    never: true
  },
  {
    name: "the schedule of a retry, after it has suspended,",
    call: ({ pool, work }, hook) =>
      Effect.flatMap(
        pool.fork(flaky(work()), {
          retry: Schedule.modifyDelay(Schedule.recurs(1), () =>
            Effect.andThen(Effect.yieldNow, hook.effect(Effect.succeed(0)))
          )
        }),
        (handle) => Effect.onInterrupt(handle.join, () => handle.cancel)
      ),
    comesBack: 1,
    thrown: "defect",
    returned: "defect",
    never: true
  },
  {
    name: "the finalizer of a schedule that is given up",
    call: ({ pool }, hook) =>
      Effect.flatMap(
        pool.fork(Effect.fail("own"), {
          retry: Schedule.modifyDelay(Schedule.recurs(1), () =>
            Effect.onInterrupt(Effect.never, () => hook.effect(Effect.void))
          )
        }),
        (handle) => Effect.andThen(handle.cancel, handle.await)
      ),
    comesBack: 1,
    thrown: "unaffected",
    returned: "any"
  },
  {
    name: "the while of an item that is tried again",
    call: ({ pool, work }, hook) =>
      pool.forEach(
        items.map(() => flaky(work())),
        (item) => item,
        { retry: { times: 1, while: () => hook.act(true) } }
      ),
    comesBack: 3,
    thrown: "defect",
    returned: "any",
    often: true
  },
  {
    name: "the getter of how often a task is tried again",
    call: ({ pool, work }, hook) =>
      pool.submit(flaky(work()), {
        retry: {
          get times() {
            return hook.act(1)
          }
        }
      }),
    comesBack: 1,
    thrown: "defect",
    returned: "any"
  },
  {
    name: "the getter of a task's key",
    call: ({ pool, work }, hook) =>
      pool.submit(work(), {
        get key() {
          return hook.act("k")
        }
      }),
    thrown: "defect",
    returned: "any"
  },
  {
    name: "the key of an item of forEach",
    call: ({ pool, work }, hook) => pool.forEach(items, work, { key: () => hook.act("k") }),
    thrown: "defect",
    returned: "any",
    often: true
  },
  {
    name: "the weight of an item of forEach",
    call: ({ pool, work }, hook) => pool.forEach(items, work, { weight: () => hook.act(1) }),
    thrown: "defect",
    returned: "any",
    often: true
  },
  {
    name: "the cost of an item of forEach over an asynchronous source",
    call: ({ pool, work }, hook) => {
      const source = async function* () {
        yield* items
      }
      return pool.forEach(source(), work, { cost: () => hook.act(1) })
    },
    thrown: "defect",
    returned: "any",
    often: true,
    promises: true
  },
  {
    name: "the label of an element of mapEffect",
    call: ({ pool, work }, hook) =>
      Stream.runDrain(pool.mapEffect(Stream.fromIterable(items), work, { label: () => hook.act("label") })),
    thrown: "defect",
    returned: "any",
    often: true
  },
  {
    name: "the predicate of awaitStats",
    call: ({ pool, work }, hook) =>
      Effect.andThen(
        pool.fork(work()),
        pool.awaitStats(({ running, succeeded }) => hook.act(running === 0 || succeeded > 0))
      ),
    thrown: "defect",
    returned: "any",
    often: true
  },
  {
    name: "an observer of a waiter for the statistics",
    call: (world) => {
      const quiet = world.pool.awaitStats(({ running }) => running === 0)
      world.others("another waiter", quiet)
      return quiet
    },
    observes: true,
    thrown: "unaffected"
  },
  {
    name: "classify, on any pool,",
    options: (hook) => ({ classify: () => hook.act("success" as const) }),
    call: ({ pool, work }) => pool.submit(work()),
    thrown: "unaffected",
    returned: "success",
    often: true,
    logs: true,
    ticks: true
  },
  {
    name: "the function of forEach",
    call: ({ pool, work }, hook) => pool.forEach(items, () => hook.act(work())),
    thrown: "defect",
    returned: "defect",
    often: true
  },
  {
    name: "an item of forEach",
    call: ({ pool, work }, hook) => pool.forEach(items, () => Effect.andThen(Effect.yieldNow, hook.effect(work()))),
    thrown: "defect",
    returned: "defect",
    often: true,
    never: true
  },
  {
    name: "an item of forEach that does not suspend",
    call: ({ pool }, hook) => pool.forEach(items, () => hook.effect(Effect.void)),
    thrown: "defect",
    returned: "defect",
    often: true,
    never: true
  },
  {
    name: "an item of forEach over an asynchronous source",
    call: ({ pool, work }, hook) => {
      const source = async function* () {
        yield* items
      }
      return pool.forEach(source(), () => hook.effect(work()))
    },
    thrown: "defect",
    returned: "defect",
    often: true,
    never: true,
    promises: true
  },
  {
    name: "the function of mapEffect",
    call: ({ pool, work }, hook) => Stream.runDrain(pool.mapEffect(Stream.fromIterable(items), () => hook.act(work()))),
    thrown: "defect",
    returned: "defect",
    often: true
  },
  {
    name: "an element of mapEffect",
    call: ({ pool }, hook) =>
      Stream.runDrain(pool.mapEffect(Stream.fromIterable(items), () => hook.effect(Effect.void))),
    thrown: "defect",
    returned: "defect",
    often: true,
    never: true
  },
  {
    name: "the upstream of mapEffect",
    call: ({ pool, work }, hook) =>
      Stream.runDrain(
        pool.mapEffect(
          Stream.mapEffect(Stream.fromIterable(items), (item) => hook.effect(Effect.succeed(item))),
          work
        )
      ),
    thrown: "defect",
    returned: "defect",
    often: true,
    never: true,
    silent: true
  },
  ...sources,
  {
    name: "an observer of a submitter",
    call: ({ pool, work }) => pool.submit(work()),
    observes: true,
    thrown: "unaffected"
  },
  {
    name: "an observer of a submitter whose task ends at once",
    call: ({ pool }) => pool.submit(Effect.void),
    observes: true,
    thrown: "unaffected"
  },
  {
    name: "an observer of a submitter whose task fails",
    call: ({ pool }) => pool.submit(Effect.fail("own")),
    observes: true,
    thrown: "unaffected",
    fails: "own"
  },
  {
    name: "an observer of a caller of fork",
    call: ({ pool, work }) => pool.fork(work()),
    observes: true,
    thrown: "unaffected"
  },
  {
    name: "an observer of a joiner",
    call: (world) =>
      Effect.flatMap(world.pool.fork(Effect.andThen(world.work(), world.work())), (handle) => {
        world.others("another joiner", handle.join)
        return handle.join
      }),
    observes: true,
    thrown: "unaffected"
  },
  {
    name: "an observer of a canceller",
    call: (world) =>
      Effect.flatMap(world.pool.fork(Effect.onInterrupt(Effect.never, () => world.work())), (handle) => {
        world.others("another canceller", handle.cancel)
        world.others("a waiter for the cancelled task", handle.await)
        return handle.cancel
      }),
    observes: true,
    thrown: "unaffected"
  },
  {
    name: "an observer of a caller of forEach",
    call: ({ pool, work }) => pool.forEach(items, work),
    observes: true,
    thrown: "unaffected"
  },
  {
    name: "an observer of a reader of mapEffect",
    call: ({ pool, work }) => Stream.runDrain(pool.mapEffect(Stream.fromIterable(items), work)),
    observes: true,
    thrown: "unaffected"
  },
  {
    name: "an observer of a waiter for the idle pool",
    call: (world) => {
      world.others("another waiter", world.pool.awaitIdle)
      return world.pool.awaitIdle
    },
    observes: true,
    thrown: "unaffected"
  },
  {
    name: "an observer of a waiter for the empty queue",
    call: (world) => {
      world.others("another waiter", world.pool.awaitEmpty)
      return world.pool.awaitEmpty
    },
    observes: true,
    thrown: "unaffected"
  },
  {
    name: "an observer of a hard resize",
    call: (world) => {
      world.others("another hard resize", world.pool.resize(0, hard))
      world.others("a waiter for the size", world.pool.awaitResized)
      return world.pool.resize(0, hard)
    },
    observes: true,
    thrown: "unaffected",
    harms: true
  },
  {
    name: "an observer of a closer",
    call: (world) => {
      world.others("another closer", world.pool.close())
      return world.pool.close()
    },
    observes: true,
    thrown: "unaffected",
    harms: true
  },
  {
    name: "a submitter that has its result",
    call: ({ pool, work }, hook) => Effect.andThen(pool.submit(work()), hook.effect(Effect.void)),
    thrown: "defect",
    returned: "defect"
  },
  {
    name: "a submitter whose task has failed",
    call: ({ pool }, hook) =>
      Effect.matchEffect(pool.submit(Effect.fail("own")), {
        onFailure: () => hook.effect(Effect.void),
        onSuccess: () => Effect.void
      }),
    thrown: "defect",
    returned: "defect"
  },
  {
    name: "a caller of fork that has its handle",
    call: ({ pool, work }, hook) => Effect.andThen(pool.fork(work()), hook.effect(Effect.void)),
    thrown: "defect",
    returned: "defect"
  },
  {
    name: "a joiner that has its result",
    call: ({ pool, work }, hook) =>
      Effect.andThen(
        Effect.flatMap(pool.fork(work()), (handle) => handle.join),
        hook.effect(Effect.void)
      ),
    thrown: "defect",
    returned: "defect"
  },
  {
    name: "a caller of forEach that has its results",
    call: ({ pool, work }, hook) => Effect.andThen(pool.forEach(items, work), hook.effect(Effect.void)),
    thrown: "defect",
    returned: "defect"
  },
  {
    name: "a waiter for the idle pool that was resumed",
    call: ({ pool }, hook) => Effect.andThen(pool.awaitIdle, hook.effect(Effect.void)),
    thrown: "defect",
    returned: "defect"
  },
  {
    name: "a waiter for the empty queue that was resumed",
    call: ({ pool }, hook) => Effect.andThen(pool.awaitEmpty, hook.effect(Effect.void)),
    thrown: "defect",
    returned: "defect"
  },
  {
    name: "a reader of events",
    call: ({ pool }, hook) =>
      Effect.andThen(
        Effect.forkScoped(
          Stream.runForEach(pool.events, () => hook.effect(Effect.void)),
          { startImmediately: true }
        ),
        Effect.andThen(pool.scale(1), pool.scale(-1))
      ),
    thrown: "unaffected",
    returned: "any",
    often: true
  }
]

// ---- the code that sizes a pool --------------------------------------------------------------------------------------------

const window = { interval: 1, maxInterval: 1000, minSamples: 1, runFactor: 0, overloads: 1 }

// Decides a size after each task: 1, 2, 3, then 1 again.
const policyOf = (
  parts: Partial<AutoScalePolicy.AutoScalePolicy<number>>
): AutoScalePolicy.AutoScalePolicy<number> => ({
  name: "hostile",
  initial: () => 1,
  window: () => window,
  update: (size) => [(size % 3) + 1, { size, reason: "TURN" }],
  ...parts
})

const sizes = (name: string, options: Place["options"], more: Partial<Place> = {}): Place => ({
  name,
  call: ({ pool, work }) => pool.submit(work()),
  options,
  thrown: "unaffected",
  returned: "success",
  often: true,
  ticks: true,
  ...more
})

/** The places where only auto-scale pools call user code. */
export const sizingPlaces: ReadonlyArray<Place> = [
  sizes("classify", (hook) => ({ classify: () => hook.act("success" as const), policy: policyOf({}) }), {
    logs: true
  }),
  sizes(
    "classify, of a failure,",
    (hook) => ({ classify: (exit) => (Exit.isFailure(exit) ? hook.act("ignore") : "success"), policy: policyOf({}) }),
    { call: ({ pool }) => Effect.exit(pool.submit(Effect.fail("own"))), logs: true, often: false }
  ),
  sizes("the retryAfter of classify", (hook) => ({
    classify: () => ({
      overload: true,
      get retryAfter() {
        return hook.act(1)
      }
    }),
    policy: policyOf({})
  })),
  sizes("the window of a policy", (hook) => ({ policy: policyOf({ window: () => hook.act(window) }) })),
  sizes("the interval of a window", (hook) => ({
    policy: policyOf({
      window: () => ({
        ...window,
        get interval() {
          return hook.act(1)
        }
      })
    })
  })),
  sizes("the update of a policy", (hook) => ({
    policy: policyOf({ update: (size) => hook.act([(size % 3) + 1, { size, reason: "TURN" }]) })
  })),
  sizes("the size that a policy decides", (hook) => ({
    policy: policyOf({
      update: (size) => [
        (size % 3) + 1,
        {
          get size() {
            return hook.act(size)
          },
          reason: "TURN"
        }
      ]
    })
  })),
  sizes("the pause that a policy decides", (hook) => ({
    policy: policyOf({
      update: (size) => [
        (size % 3) + 1,
        {
          size,
          get pause() {
            return hook.act(1)
          },
          reason: "TURN"
        }
      ]
    })
  })),
  sizes("the reason that a policy gives", (hook) => ({
    policy: policyOf({
      update: (size) => [
        (size % 3) + 1,
        {
          size,
          get reason() {
            return hook.act("TURN")
          }
        }
      ]
    })
  }))
]
