import { assert, describe, it } from "@effect/vitest"
import * as Config from "effect/Config"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import { AsyncLocalStorage } from "node:async_hooks"
import { setImmediate as nextTurn } from "node:timers/promises"
import {
  AioAutoScaleTaskPoolSimple,
  AioFixedTaskPoolLifo,
  AioFixedTaskPoolPriority,
  AioFixedTaskPoolSimple,
  NotAvailable,
  type PromiseForEachOptions,
  PromisePool,
  type PromiseRetry,
  TaskCancelled,
  TaskPool,
  UnknownTaskType,
  UnknownTaskWeight
} from "../src/index.ts"

const { layer } = AioFixedTaskPoolSimple

/** A pool that is closed when the test ends. */
const withPool = async (
  pools: Parameters<typeof PromisePool.make>[0],
  use: (pool: PromisePool) => Promise<void>
): Promise<void> => {
  const pool = await PromisePool.make(pools)
  try {
    await use(pool)
  } finally {
    await pool.close({ mode: "interrupt" })
  }
}

/** What a promise rejects with. */
const rejection = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    (value) => assert.fail(`expected a rejection, got ${String(value)}`),
    (error: unknown) => error
  )

/** A promise that is resolved from outside. */
const gate = () => {
  let open = (): void => {}
  const opened = new Promise<void>((resolve) => (open = resolve))
  return { opened, open }
}

/** A task that ends with `value` when it is opened. */
const gated = <A>(value: A) => {
  const { open, opened } = gate()
  const counts = { begun: 0, signals: [] as Array<AbortSignal> }
  const task = ({ signal }: { readonly signal: AbortSignal }) => {
    counts.begun++
    counts.signals.push(signal)
    return opened.then(() => value)
  }
  return { task, open, counts }
}

/** An object with a `then` of its own. */
// oxlint-disable-next-line unicorn/no-thenable
const thenable = (then: PropertyDescriptor): unknown => Object.defineProperty({}, "then", then)

/** How the pool cancelled a task, by what its caller's promise rejects with. */
const cancellation = (error: unknown) => {
  assert.instanceOf(error, TaskCancelled)
  return [error.reason, error.started]
}

const never = () => new Promise<never>(() => {})

/** The rejections that nobody handled while `use` ran. */
const unhandled = async (use: () => Promise<void>): Promise<Array<unknown>> => {
  const seen: Array<unknown> = []
  const before = process.rawListeners("unhandledRejection") as Array<NodeJS.UnhandledRejectionListener>
  process.removeAllListeners("unhandledRejection")
  process.on("unhandledRejection", (reason) => seen.push(reason))
  try {
    await use()
    await nextTurn()
    await nextTurn()
  } finally {
    process.removeAllListeners("unhandledRejection")
    for (const listener of before) process.on("unhandledRejection", listener)
  }
  return seen
}

describe("submit", () => {
  it("returns what the function returns, or what its promise resolves to", () =>
    withPool(layer(1), async (pool) => {
      const object = { a: 1 }
      assert.strictEqual(await pool.submit(() => 1), 1)
      assert.strictEqual(await pool.submit(async () => 2), 2)
      assert.strictEqual(await pool.submit(() => object), object)
      assert.strictEqual(await pool.submit(() => null), null)
      assert.strictEqual(await pool.submit(() => undefined), undefined)
      const resolving = thenable({ value: (resolve: (value: string) => void) => resolve("thenable") })
      assert.strictEqual(await pool.submit(() => resolving), "thenable")
      assert.strictEqual(await pool.submit(() => Promise.resolve(Promise.resolve("nested"))), "nested")
    }))

  it("runs as many functions at once as the pool has workers", () =>
    withPool(layer(3), async (pool) => {
      let running = 0
      const counts: Array<number> = []
      const task = async (i: number) => {
        running++
        for (let turn = 0; turn <= i % 3; turn++) await nextTurn()
        counts.push(running--)
        return i
      }
      const numbers = Array.from({ length: 30 }, (_, i) => i)
      assert.deepStrictEqual(await Promise.all(numbers.map((i) => pool.submit(() => task(i)))), numbers)
      assert.strictEqual(Math.max(...counts), 3)
    }))

  it("starts a task in the step in which it is submitted when a worker is free", () =>
    withPool(layer(1), async (pool) => {
      let begun = false
      const submitted = pool.submit(() => void (begun = true))
      assert.isTrue(begun)
      await submitted
    }))

  it("takes the options of the pool's tasks", () =>
    withPool(AioFixedTaskPoolPriority.layer(1), async (pool) => {
      const busy = gated("busy")
      const order: Array<string> = []
      const all = [
        pool.submit(busy.task),
        pool.submit(() => order.push("late"), {}),
        pool.submit(() => order.push("urgent"), { weight: 1 })
      ]
      busy.open()
      await Promise.all(all)
      assert.deepStrictEqual(order, ["urgent", "late"])
    }))

  const errors: Record<string, unknown> = {
    "an error": new Error("no"),
    "a frozen error": Object.freeze(new Error("frozen")),
    "an aggregate": new AggregateError([new Error("one")]),
    "a string": "no",
    undefined: undefined,
    null: null,
    false: false,
    "a function": () => "no",
    "an error of another pool": new TaskCancelled({
      reason: "Closed",
      started: false,
      pool: "other",
      stats: {} as never
    })
  }
  for (const [name, error] of Object.entries(errors)) {
    it(`rejects with the very object that the function throws or rejects with: ${name}`, () =>
      withPool(layer(1), async (pool) => {
        const thrower = (): never => {
          throw error
        }
        // oxlint-disable-next-line prefer-promise-reject-errors
        const rejecter = () => Promise.reject(error)
        const late = () => nextTurn().then(thrower)
        const throwing = () => thenable({ value: thrower })
        const unreadable = () => thenable({ get: thrower })
        for (const fn of [thrower, rejecter, late, throwing, unreadable] as ReadonlyArray<() => unknown>) {
          assert.strictEqual(await rejection(pool.submit(fn)), error)
          assert.strictEqual(await rejection(pool.forEach([1], fn)), error)
          assert.strictEqual(await rejection((await pool.fork(fn)).join()), error)
        }
        assert.strictEqual(await pool.submit(() => "next"), "next")
        assert.deepInclude(await pool.stats(), { failed: 15, succeeded: 1, running: 0, waiting: 0 })
      }))
  }

  it("takes the first answer of a thenable that gives several", () =>
    withPool(layer(1), async (pool) => {
      const twice = thenable({
        value: (resolve: (value: number) => void, reject: (error: unknown) => void) => {
          resolve(1)
          reject(new Error("late"))
          resolve(2)
          throw new Error("later")
        }
      })
      assert.strictEqual(await pool.submit(() => twice), 1)
      assert.deepInclude(await pool.stats(), { succeeded: 1, failed: 0, running: 0 })
    }))

  it("rejects with NotAvailable and TaskCancelled as they are", () =>
    withPool(layer(1, { capacity: 1, onFull: "fail", name: "pages" }), async (pool) => {
      const running = pool.submit(never)
      const waiting = pool.submit(never)
      const full = await rejection(pool.submit(never))
      assert.instanceOf(full, NotAvailable)
      assert.strictEqual(full.reason, "QueueFull")
      assert.strictEqual(full.message, "pages: the queue is full (1 of 1 waiting, 1 running on 1 worker)")
      await pool.pause()
      assert.propertyVal(await rejection(pool.submit(never)), "reason", "Paused")
      const both = Promise.all([rejection(running), rejection(waiting)])
      await pool.close({ mode: "interrupt" })
      for (const [index, error] of (await both).entries()) {
        assert.deepStrictEqual(cancellation(error), ["Closed", index === 0])
      }
      assert.propertyVal(await rejection(pool.submit(never)), "reason", "Closed")
    }))

  it("refuses an Effect that a function returns", () =>
    withPool(layer(1), async (pool) => {
      const fns: ReadonlyArray<() => unknown> = [
        () => Effect.sync(() => 1),
        () => Effect.succeed(1),
        async () => Effect.yieldNow,
        () => TaskPool
      ]
      for (const fn of fns) {
        const error = await rejection(pool.submit(fn))
        assert.instanceOf(error, UnknownTaskType)
        assert.include(error.message, "PromisePool.submit: fn must return a value or a promise, got an Effect")
      }
    }))

  it("keeps the async context of its caller", () =>
    withPool(layer(1), async (pool) => {
      const storage = new AsyncLocalStorage<string>()
      const seen = await Promise.all(
        ["a", "b", "c"].map((name) =>
          storage.run(name, () =>
            pool.submit(async () => {
              const before = storage.getStore()
              await nextTurn()
              return [before, storage.getStore()]
            })
          )
        )
      )
      assert.deepStrictEqual(seen, [
        ["a", "a"],
        ["b", "b"],
        ["c", "c"]
      ])
      assert.isUndefined(storage.getStore())
    }))

  it("takes 10,000 tasks at once", () =>
    withPool(layer(10), async (pool) => {
      const numbers = Array.from({ length: 10_000 }, (_, i) => i)
      const results = await Promise.all(numbers.map((i) => pool.submit(i % 2 === 0 ? () => i : async () => i)))
      assert.deepStrictEqual(results, numbers)
      assert.deepInclude(await pool.stats(), { succeeded: 10_000, running: 0, waiting: 0 })
    }))

  it("works apart from its pool", () =>
    withPool(layer(1), async ({ fork, forEach, stats, submit }) => {
      assert.strictEqual(await submit(() => 1), 1)
      assert.strictEqual(await (await fork(() => 2)).join(), 2)
      assert.deepStrictEqual(await forEach([3], (item) => item), [3])
      assert.deepInclude(await stats(), { succeeded: 3 })
    }))
})

describe("the event loop", () => {
  it("turns while tasks that return no promise submit others", () =>
    withPool(layer(2), async (pool) => {
      let stop = false
      let ran = 0
      const work = (): void => {
        void pool.submit(() => {
          ran++
          if (!stop && ran < 2_000_000) work()
        })
      }
      // The event loop itself is what is tested.
      const turned = nextTurn().then(() => (stop = true))
      work()
      work()
      assert.isBelow(ran, 100)
      await turned
      await pool.awaitIdle()
      assert.isBelow(ran, 10_000)
    }))

  it("turns while a loop awaits tasks that return no promise", () =>
    withPool(layer(2), async (pool) => {
      let stop = false
      let ran = 0
      setTimeout(() => (stop = true), 1)
      while (!stop && ran < 2_000_000) await pool.submit(() => void ran++)
      assert.isBelow(ran, 2_000_000)
    }))
})

describe("a signal", () => {
  it("whose addEventListener throws rejects that call, whose task ends, and still aborts a later task", () =>
    withPool(layer(1), async (pool) => {
      const controller = new AbortController()
      const { signal } = controller
      const error = new Error("no listeners")
      const broken = Object.assign(signal, {
        addEventListener: () => {
          throw error
        }
      })
      const task = gated("task")
      assert.strictEqual(await rejection(pool.submit(task.task, { signal: broken })), error)
      assert.strictEqual(await rejection(pool.fork(task.task, { signal: broken })), error)
      await pool.awaitIdle()
      assert.deepInclude(await pool.stats(), { running: 0, waiting: 0, succeeded: 0, failed: 0 })
      Reflect.deleteProperty(signal, "addEventListener")
      const later = rejection(pool.submit(task.task, { signal }))
      controller.abort("enough")
      assert.strictEqual(await later, "enough")
    }))

  const reasons: Record<string, unknown> = {
    "an error": new Error("enough"),
    "a string": "enough",
    null: null,
    zero: 0,
    "the empty string": "",
    false: false
  }
  for (const [name, reason] of Object.entries(reasons)) {
    it(`that aborts with ${name} rejects with that reason`, () =>
      withPool(layer(1, { capacity: 1 }), async (pool) => {
        const controller = new AbortController()
        const { signal } = controller
        const running = gated("running")
        const uses = [
          pool.submit(running.task, { signal }),
          pool.submit(running.task, { signal }),
          pool.submit(running.task, { signal }),
          pool.fork(running.task, { signal }),
          pool.forEach([1], running.task as never, { signal })
        ].map(rejection)
        controller.abort(reason)
        assert.deepStrictEqual(
          await Promise.all(uses),
          Array.from(uses, () => reason)
        )
        assert.strictEqual(await rejection(pool.submit(running.task, { signal })), reason)
        assert.strictEqual(running.counts.begun, 1)
        assert.strictEqual(running.counts.signals[0]!.reason, reason)
        assert.deepInclude(await pool.stats(), { running: 0, waiting: 0, atDoor: 0, interrupted: 1, cancelled: 1 })
      }))
  }

  it("that aborts without a reason rejects with its AbortError", () =>
    withPool(layer(1), async (pool) => {
      const controller = new AbortController()
      const submitted = rejection(pool.submit(never, { signal: controller.signal }))
      controller.abort()
      const error = await submitted
      assert.strictEqual(error, controller.signal.reason)
      assert.propertyVal(error, "name", "AbortError")
    }))

  it("whose reason is undefined rejects with undefined", () =>
    withPool(layer(1), async (pool) => {
      // A signal of another maker.
      const target = new EventTarget()
      const signal = Object.defineProperties(target, {
        aborted: { value: false, writable: true },
        reason: { value: undefined }
      }) as unknown as AbortSignal & { aborted: boolean }
      const submitted = rejection(pool.submit(never, { signal }))
      signal.aborted = true
      target.dispatchEvent(new Event("abort"))
      assert.isUndefined(await submitted)
      assert.deepInclude(await pool.stats(), { running: 0, interrupted: 1 })
    }))

  it("that has aborted lets nothing be submitted", () =>
    withPool(layer(1), async (pool) => {
      const signal = AbortSignal.abort("before")
      let called = 0
      const fn = () => called++
      for (const use of [
        pool.submit(fn, { signal }),
        pool.fork(fn, { signal }),
        pool.forEach(
          (function* () {
            called++
            yield 1
          })(),
          fn,
          { signal }
        )
      ]) {
        assert.strictEqual(await rejection(use), "before")
      }
      assert.strictEqual(called, 0)
      assert.deepInclude(await pool.stats(), { submitted: 0, rejected: 0 })
    }))

  it("that aborts after the task has settled changes nothing", () =>
    withPool(layer(1), async (pool) => {
      const controller = new AbortController()
      let own: AbortSignal | undefined
      const submitted = pool.submit(({ signal }) => void (own = signal), { signal: controller.signal })
      await submitted
      controller.abort()
      await submitted
      assert.isFalse(own!.aborted)
      assert.deepInclude(await pool.stats(), { succeeded: 1, interrupted: 0 })
    }))

  it("that the function itself aborts rejects, whatever the function returns", () =>
    withPool(layer(1), async (pool) => {
      for (const late of [false, true]) {
        const controller = new AbortController()
        const fn = (): unknown => {
          controller.abort("from inside")
          return late ? never() : "returned"
        }
        assert.strictEqual(await rejection(pool.submit(fn, { signal: controller.signal })), "from inside")
      }
      const controller = new AbortController()
      const fn = () => {
        controller.abort("from inside")
        return never()
      }
      assert.strictEqual(await rejection(pool.fork(fn, { signal: controller.signal })), "from inside")
      assert.deepInclude(await pool.stats(), { running: 0, waiting: 0, submitted: 3 })
    }))

  it("aborts at once, without waiting for a function that ignores it, and the worker goes to others", () =>
    withPool(layer(1), async (pool) => {
      const controller = new AbortController()
      const order: Array<string> = []
      const submitted = pool.submit(never, { signal: controller.signal }).catch(() => order.push("rejected"))
      const next = pool.submit(() => order.push("next"))
      controller.abort()
      await Promise.all([submitted, next])
      assert.includeMembers(order, ["rejected", "next"])
    }))

  it("of a function is the same each time, and aborts also when it is first read after the end", () =>
    withPool(layer(1), async (pool) => {
      const controller = new AbortController()
      let task: { readonly signal: AbortSignal } | undefined
      const submitted = rejection(
        pool.submit(
          (given) => {
            task = given
            return never()
          },
          { signal: controller.signal }
        )
      )
      controller.abort("reason")
      await submitted
      assert.isTrue(task!.signal.aborted)
      assert.strictEqual(task!.signal.reason, "reason")
      assert.strictEqual(task!.signal, task!.signal)
    }))

  it("whose tasks are all aborted at once starts none of those that wait", () =>
    withPool(layer(2), async (pool) => {
      const controller = new AbortController()
      const busy = gated("busy")
      const submitted = Array.from({ length: 10_000 }, () =>
        rejection(pool.submit(busy.task, { signal: controller.signal }))
      )
      const other = pool.submit(() => "other")
      controller.abort("all")
      assert.deepStrictEqual(new Set(await Promise.all(submitted)), new Set(["all"]))
      assert.strictEqual(await other, "other")
      assert.strictEqual(busy.counts.begun, 2)
      assert.deepInclude(await pool.stats(), { interrupted: 2, cancelled: 9998, succeeded: 1, running: 0 })
    }))

  it("starts none of them in any order of the queue", () =>
    withPool(AioFixedTaskPoolLifo.layer(1), async (pool) => {
      const controller = new AbortController()
      const begun: Array<number> = []
      const release = await pool.hold()
      const submitted = [1, 2, 3].map((i) => {
        const fn = () => {
          begun.push(i)
          return never()
        }
        return rejection(pool.submit(fn, { signal: controller.signal }))
      })
      release()
      assert.deepStrictEqual(begun, [3])
      controller.abort("all")
      assert.deepStrictEqual(await Promise.all(submitted), ["all", "all", "all"])
      assert.deepStrictEqual(begun, [3])
      assert.deepInclude(await pool.stats(), { running: 0, waiting: 0 })
    }))

  it("has one listener while its tasks live, and none when they have settled", () =>
    withPool(layer(2), async (pool) => {
      const { signal } = new AbortController()
      const counts = { now: 0, most: 0 }
      const { addEventListener, removeEventListener } = signal
      signal.addEventListener = (...args: Array<any>) => {
        counts.most = Math.max(counts.most, ++counts.now)
        Reflect.apply(addEventListener, signal, args)
      }
      signal.removeEventListener = (...args: Array<any>) => {
        counts.now--
        Reflect.apply(removeEventListener, signal, args)
      }
      const fail = () => Promise.reject(new Error("no"))
      const uses: ReadonlyArray<() => Promise<unknown>> = [
        () => pool.submit(() => 1, { signal }),
        () => pool.submit(fail, { signal }),
        () => pool.submit(async () => 1, { signal }),
        () => pool.forEach([1, 2, 3], async (i) => i, { signal }),
        () => pool.forEach([1, 2, 3], fail, { signal }),
        () => pool.fork(async () => 1, { signal }).then(({ join }) => join()),
        () => pool.fork(fail, { signal }).then(({ join }) => join()),
        () => pool.fork(never, { signal }).then(({ cancel }) => cancel())
      ]
      for (const use of uses) {
        await Promise.allSettled(Array.from({ length: 100 }, use))
        await pool.awaitIdle()
        await nextTurn()
        assert.deepStrictEqual(counts, { now: 0, most: 1 }, String(use))
      }
    }))
})

describe("fork", () => {
  it("gives a handle: where the task is, its result, and how to cancel it", () =>
    withPool(layer(1), async (pool) => {
      const running = gated("done")
      const first = await pool.fork(running.task)
      const second = await pool.fork(() => "never")
      const third = await pool.fork(() => "third")
      assert.deepStrictEqual([await first.state(), await second.state()], ["Running", "Waiting"])
      await second.cancel()
      assert.deepStrictEqual(cancellation(await rejection(second.join())), ["Cancelled", false])
      running.open()
      assert.deepStrictEqual(await Promise.all([first.join(), first.join(), third.join()]), ["done", "done", "third"])
      assert.strictEqual(await first.state(), "Done")
      await first.cancel()
      assert.strictEqual(await first.join(), "done")
    }))

  it("cancel aborts the function's signal", () =>
    withPool(layer(1), async (pool) => {
      const running = gated("never")
      const handle = await pool.fork(running.task)
      const joined = rejection(handle.join())
      await handle.cancel()
      assert.deepStrictEqual(cancellation(await joined), ["Cancelled", true])
      assert.propertyVal(running.counts.signals[0]!.reason, "name", "AbortError")
    }))

  it("with a signal that aborts ends the accepted task, and join rejects with the reason", () =>
    withPool(layer(1), async (pool) => {
      const controller = new AbortController()
      const { signal } = controller
      const running = gated("never")
      const handles = [await pool.fork(running.task, { signal }), await pool.fork(running.task, { signal })]
      const before = handles.map(({ join }) => rejection(join()))
      controller.abort("enough")
      assert.deepStrictEqual(await Promise.all(before), ["enough", "enough"])
      assert.deepStrictEqual(await Promise.all(handles.map(({ join }) => rejection(join()))), ["enough", "enough"])
      assert.strictEqual(running.counts.signals[0]!.reason, "enough")
      assert.deepInclude(await pool.stats(), { running: 0, waiting: 0, cancelled: 2 })
    }))

  it("of a task that a handle had cancelled before the signal aborts tells of that", () =>
    withPool(layer(1), async (pool) => {
      const controller = new AbortController()
      const handle = await pool.fork(never, { signal: controller.signal })
      await handle.cancel()
      controller.abort("late")
      assert.instanceOf(await rejection(handle.join()), TaskCancelled)
    }))

  it("with a signal, inside a task, does not lend the task's worker", () =>
    withPool(layer(1), async (pool) => {
      const { signal } = new AbortController()
      let begun = false
      const handle = await pool.submit(async () => {
        const handle = await pool.fork(() => void (begun = true), { signal })
        for (let i = 0; i < 10; i++) await nextTurn()
        assert.deepInclude(await pool.stats(), { busy: 1, lent: 0, waiting: 1 })
        assert.isFalse(begun)
        return handle
      })
      await handle.join()
      assert.isTrue(begun)
    }))
})

describe("forEach", () => {
  it("returns the results in the order of the items, of any source", () =>
    withPool(layer(2), async (pool) => {
      const slow = async (item: unknown, index: number) => {
        if (index % 2 === 0) await nextTurn()
        return [item, index]
      }
      const generator = function* () {
        yield* ["a", "b", "c"]
      }
      const asyncGenerator = async function* () {
        yield* generator()
      }
      const expected = [
        ["a", 0],
        ["b", 1],
        ["c", 2]
      ]
      for (const items of [["a", "b", "c"], new Set(["a", "b", "c"]), generator(), asyncGenerator()]) {
        assert.deepStrictEqual(await pool.forEach(items, slow), expected)
      }
      assert.deepStrictEqual(await pool.forEach([], slow), [])
    }))

  it("returns them in the order of completion, or not at all", () =>
    withPool(layer(2), async (pool) => {
      const first = gated("first")
      const fn = (name: string, _index: number, task: { readonly signal: AbortSignal }) => {
        if (name === "first") return first.task(task)
        first.open()
        return name
      }
      assert.deepStrictEqual(await pool.forEach(["first", "second"], fn, { unordered: true }), ["second", "first"])
      assert.isUndefined(await pool.forEach([1, 2], (i) => i, { discard: true }))
    }))

  it("takes all options of its type", () =>
    withPool(layer(2), async (pool) => {
      const options: Required<PromiseForEachOptions> = {
        weight: 1,
        label: "each",
        key: "tenant",
        permits: 1,
        cost: 1,
        maxWait: "1 minute",
        retry: { times: 1 },
        discard: false,
        spans: "each",
        unordered: true,
        signal: new AbortController().signal
      }
      assert.deepStrictEqual(await pool.forEach([1, 2], (i) => i, options), [1, 2])
    }))

  it("aborts the others at the first failure, and no further item starts", () =>
    withPool(layer(2), async (pool) => {
      const error = new Error("no")
      const begun: Array<number> = []
      let signal: AbortSignal | undefined
      const failed = pool.forEach([0, 1, 2, 3], (i, _index, task) => {
        begun.push(i)
        if (i === 0) signal = task.signal
        return i === 1 ? nextTurn().then(() => Promise.reject(error)) : never()
      })
      assert.strictEqual(await rejection(failed), error)
      assert.isTrue(signal!.aborted)
      assert.deepStrictEqual(begun, [0, 1])
      assert.deepInclude(await pool.stats(), { running: 0, waiting: 0 })
    }))

  it("rejects with what its source throws", () =>
    withPool(layer(1), async (pool) => {
      const error = new Error("source")
      const failing = function* () {
        yield 1
        throw error
      }
      const failingLater = async function* () {
        yield* failing()
      }
      assert.strictEqual(await rejection(pool.forEach(failing(), (i) => i)), error)
      assert.strictEqual(await rejection(pool.forEach(failingLater(), (i) => i)), error)
      assert.instanceOf(await rejection(pool.forEach(5 as never, (i) => i)), TypeError)
    }))

  it("that is aborted leaves its source and aborts its tasks", () =>
    withPool(layer(2), async (pool) => {
      const controller = new AbortController()
      let left = 0
      const source = async function* () {
        try {
          for (let i = 0; ; i++) yield i
        } finally {
          left++
        }
      }
      const signals: Array<AbortSignal> = []
      const full = gate()
      const traversal = rejection(
        pool.forEach(
          source(),
          (_item, _index, { signal }) => {
            if (signals.push(signal) === 2) full.open()
            return never()
          },
          { signal: controller.signal }
        )
      )
      await full.opened
      controller.abort("enough")
      assert.strictEqual(await traversal, "enough")
      await nextTurn()
      assert.deepStrictEqual(
        signals.map(({ reason }) => reason),
        ["enough", "enough"]
      )
      assert.strictEqual(left, 1)
    }))
})

describe("a rejection that nobody handles", () => {
  it("comes only from a promise that the caller dropped", async () => {
    const error = new Error("no")
    const fail = () => Promise.reject(error)
    const seen = await unhandled(() =>
      withPool(layer(1, { capacity: 1 }), async (pool) => {
        const controller = new AbortController()
        const { signal } = controller
        await rejection(pool.submit(fail))
        await rejection(pool.submit(fail, { signal }))
        await rejection(pool.forEach([1, 2], fail))
        await pool.fork(fail)
        await pool.fork(fail, { signal })
        const handle = await pool.fork(never, { signal })
        const door = [rejection(pool.submit(never, { signal })), rejection(pool.submit(never, { signal }))]
        // It rejects after it was aborted, when nobody waits for it any more.
        const late = rejection(pool.submit(() => nextTurn().then(fail), { signal }))
        controller.abort()
        await Promise.all([...door, late, rejection(handle.join())])
        await pool.fork(never)
      })
    )
    assert.deepStrictEqual(seen, [])
    const dropped = await unhandled(() =>
      withPool(layer(1), async (pool) => {
        void pool.submit(fail)
        await nextTurn()
      })
    )
    assert.deepStrictEqual(dropped, [error])
  })
})

describe("controlling a pool", () => {
  it("changes its size, pauses it, and tells its numbers", () =>
    withPool(layer(3, { name: "pages" }), async (pool) => {
      assert.strictEqual(pool.name, "pages")
      assert.strictEqual(await pool.scale(2), 5)
      assert.strictEqual(await pool.resize(1), 1)
      assert.isTrue(await pool.pause())
      assert.deepInclude(await pool.stats(), { phase: "Paused", size: 1 })
      assert.isFalse(await pool.resume())
      assert.strictEqual(await pool.submit(() => "resumed"), "resumed")
    }))

  it("ends surplus tasks with mode hard", () =>
    withPool(layer(2), async (pool) => {
      const running = [gated(1), gated(2)]
      const submitted = running.map(({ task }) => pool.submit(task))
      const cancelled = rejection(submitted[1]!)
      assert.strictEqual(await pool.resize(1, { mode: "hard" }), 1)
      assert.deepStrictEqual(cancellation(await cancelled), ["ScaledDown", true])
      assert.isTrue(running[1]!.counts.signals[0]!.aborted)
      running[0]!.open()
      assert.strictEqual(await submitted[0], 1)
    }))

  it("waits until the queue is empty, and until nothing runs", () =>
    withPool(layer(1), async (pool) => {
      await pool.awaitEmpty()
      await pool.awaitIdle()
      const gates = [gated(1), gated(2)]
      const submitted = gates.map(({ task }) => pool.submit(task))
      const order: Array<string> = []
      const waits = [pool.awaitIdle().then(() => order.push("idle")), pool.awaitEmpty().then(() => order.push("empty"))]
      gates[0]!.open()
      await submitted[0]
      await waits[1]
      assert.deepStrictEqual(order, ["empty"])
      gates[1]!.open()
      await Promise.all([...submitted, ...waits])
      assert.deepStrictEqual(order, ["empty", "idle"])
    }))
})

describe("holding", () => {
  it("starts no task until all holds are released, each once", () =>
    withPool(layer(2), async (pool) => {
      const releases = [await pool.hold(), await pool.hold()]
      const submitted = [pool.submit(() => 1), pool.forEach([2], (i) => i)]
      await nextTurn()
      assert.deepInclude(await pool.stats(), { phase: "Held", running: 0, succeeded: 0 })
      releases[0]!()
      releases[0]!()
      await nextTurn()
      assert.deepInclude(await pool.stats(), { phase: "Held", succeeded: 0 })
      assert.isUndefined(releases[1]!())
      assert.deepStrictEqual(await Promise.all(submitted), [1, [2]])
      assert.deepInclude(await pool.stats(), { phase: "Open" })
    }))

  it("for a time ends by itself", () =>
    withPool(layer(1), async (pool) => {
      // Real time: the pool's clock is that of the machine.
      await pool.holdFor(1)
      const submitted = pool.submit(() => "after")
      assert.deepInclude(await pool.stats(), { phase: "Held", waiting: 1 })
      assert.strictEqual(await submitted, "after")
      assert.instanceOf(await rejection(pool.holdFor(-1)), RangeError)
    }))

  it("may be released after the pool has closed", async () => {
    const pool = await PromisePool.make(layer(1))
    const release = await pool.hold()
    await pool.close()
    release()
    assert.propertyVal(await pool.stats(), "phase", "Closed")
  })
})

describe("the options of tasks", () => {
  it("are those of the pool", () =>
    withPool(layer(1), async (pool) => {
      const busy = gated("busy")
      const first = pool.submit(busy.task)
      const cleared = [
        pool.submit(never, { label: "report" }),
        pool.submit(never, { key: "tenant", cost: 2 }),
        pool.forEach(["a"], never, { key: (item, index) => `${item}${index}` })
      ].map(rejection)
      const late = rejection(pool.submit(never, { maxWait: 0 }))
      assert.propertyVal(await late, "reason", "WaitedTooLong")
      assert.propertyVal(await rejection(pool.submit(never, { permits: 2 })), "reason", "TooLarge")
      assert.strictEqual(await pool.clear({ label: "report" }), 1)
      assert.strictEqual(await pool.clear({ key: "a0" }), 1)
      assert.strictEqual(await pool.clear(), 1)
      for (const error of await Promise.all(cleared)) assert.deepStrictEqual(cancellation(error), ["Cleared", false])
      busy.open()
      assert.strictEqual(await first, "busy")
    }))
})

describe("a function that uses its own pool", () => {
  const pools = { "one worker": layer(1), "one worker and no queue": layer(1, { capacity: 0 }) }
  for (const [name, each] of Object.entries(pools)) {
    it(`lends its worker while it waits, on ${name}`, () =>
      withPool(each, async (pool) => {
        const nested = async (depth: number): Promise<number> => {
          await nextTurn()
          return depth === 0 ? 0 : 1 + (await pool.submit(() => nested(depth - 1)))
        }
        assert.strictEqual(await pool.submit(() => nested(20)), 20)
        const tree = async (depth: number): Promise<number> => {
          if (depth === 0) return 1
          const leaves = await pool.forEach([1, 2, 3], () => tree(depth - 1))
          return leaves.reduce((sum, n) => sum + n, 0)
        }
        assert.strictEqual(await pool.submit(() => tree(3)), 27)
        const joining = async () => (await pool.fork(() => nextTurn("forked"))).join()
        assert.strictEqual(await pool.submit(joining), "forked")
        assert.deepInclude(await pool.stats(), { running: 0, waiting: 0, lent: 0 })
      }))
  }

  it("is refused with nested: fail", () =>
    withPool(layer(1, { nested: "fail" }), async (pool) => {
      const outer = pool.submit(() => nextTurn().then(() => pool.submit(() => "inner")))
      assert.propertyVal(await rejection(outer), "reason", "Nested")
    }))

  it("may fork with a signal although it must not wait, with nested: fail", async () => {
    const seen = await unhandled(() =>
      withPool(layer(1, { nested: "fail" }), async (pool) => {
        const { signal } = new AbortController()
        const handle = await pool.submit(() => pool.fork(() => "forked", { signal }))
        assert.strictEqual(await handle.join(), "forked")
        assert.deepInclude(await pool.stats(), { rejected: 0 })
      })
    )
    assert.deepStrictEqual(seen, [])
  })

  it("of another pool, which calls back, goes on", () =>
    withPool(layer(1), (one) =>
      withPool(layer(1), async (other) => {
        const there = () => other.submit(() => one.submit(() => nextTurn("back")))
        assert.strictEqual(await one.submit(there), "back")
      })
    ))
})

describe("closing", () => {
  it("drains, and all who close get the same report", async () => {
    const pool = await PromisePool.make(layer(1))
    const gates = [gated(1), gated(2)]
    const submitted = gates.map(({ task }) => pool.submit(task))
    const closing = [pool.close(), pool.close()]
    assert.propertyVal(await rejection(pool.submit(() => 3)), "reason", "Closed")
    for (const { open } of gates) open()
    assert.deepStrictEqual(await Promise.all(submitted), [1, 2])
    const report = { completed: 2, interrupted: 0, neverRun: 0 }
    assert.deepStrictEqual(await Promise.all(closing), [report, report])
    assert.propertyVal(await pool.stats(), "phase", "Closed")
    await pool.close()
    await pool[Symbol.asyncDispose]()
  })

  it("with mode interrupt aborts what runs and cancels what waits", async () => {
    const pool = await PromisePool.make(layer(1))
    const running = gated(1)
    const submitted = [pool.submit(running.task), pool.submit(running.task)].map(rejection)
    assert.deepStrictEqual(await pool.close({ mode: "interrupt" }), { completed: 0, interrupted: 1, neverRun: 1 })
    assert.isTrue(running.counts.signals[0]!.aborted)
    for (const error of await Promise.all(submitted)) assert.propertyVal(error, "reason", "Closed")
  })

  it("by dispose drains", async () => {
    const pool = await PromisePool.make(layer(1))
    const done: Array<number> = []
    for (const i of [1, 2, 3]) await pool.fork(() => nextTurn().then(() => done.push(i)))
    assert.isUndefined(await pool[Symbol.asyncDispose]())
    assert.deepStrictEqual(done, [1, 2, 3])
  })

  it("releases what the layer has acquired", async () => {
    const released: Array<string> = []
    const resource = Layer.effectDiscard(
      Effect.acquireRelease(Effect.void, () => Effect.sync(() => void released.push("resource")))
    )
    const pool = await PromisePool.make(Layer.provide(layer(1), resource))
    await pool.fork(() => nextTurn().then(() => released.push("task")))
    await pool.close()
    assert.deepStrictEqual(released, ["task", "resource"])
  })

  it("inside a task of the pool, or waiting for it to be idle, rejects, however late and in what it submits", () =>
    withPool(layer(2), async (pool) => {
      const closeLate = () => nextTurn().then(() => pool.close())
      for (const fn of [
        () => pool.close(),
        closeLate,
        () => pool.submit(closeLate),
        () => pool[Symbol.asyncDispose]()
      ]) {
        assert.include(
          String(await rejection(pool.submit<unknown>(fn))),
          "a task of AioFixedTaskPoolSimple would wait for itself"
        )
      }
      assert.propertyVal(await pool.stats(), "phase", "Open")
    }))
})

describe("make", () => {
  it("makes a pool of any layer, and another one each time", async () => {
    const layers = [layer(1), AioFixedTaskPoolPriority.layer(1), AioAutoScaleTaskPoolSimple.layer({ minSize: 1 })]
    for (const each of layers) {
      const pools = [await PromisePool.make(each), await PromisePool.make(each)]
      await pools[0]!.submit(() => 1)
      assert.deepStrictEqual(await Promise.all(pools.map(async (pool) => (await pool.stats()).submitted)), [1, 0])
      await Promise.all(pools.map((pool) => pool.close()))
    }
  })

  it("makes another one inside a task, too", () =>
    withPool(layer(1), async (outer) => {
      const inner = await outer.submit(() => PromisePool.make(layer(1)))
      assert.strictEqual(await inner.submit(() => "inner"), "inner")
      assert.deepInclude(await outer.stats(), { submitted: 1 })
      await inner.close()
    }))

  it("rejects with what the layer fails with, and releases what it had acquired", async () => {
    let released = 0
    const resource = Layer.effectDiscard(Effect.acquireRelease(Effect.void, () => Effect.sync(() => void released++)))
    const failing = AioFixedTaskPoolSimple.layerConfig(Config.Int("NO_SUCH_SIZE"))
    const error = await rejection(PromisePool.make(Layer.provide(failing, resource)))
    assert.propertyVal(error, "_tag", "ConfigError")
    assert.strictEqual(released, 1)
  })

  it("rejects what is no layer of a TaskPool", async () => {
    class Other extends TaskPool.Tag<Other>()("test/Other") {}
    for (const wrong of [undefined, null, 3, AioFixedTaskPoolSimple, AioFixedTaskPoolSimple.make({ size: 1 })]) {
      const error = await rejection(PromisePool.make(wrong as never))
      assert.instanceOf(error, TypeError)
      assert.include(error.message, "PromisePool.make: layer must be a Layer, such as AioFixedTaskPoolSimple.layer(3)")
    }
    const error = await rejection(PromisePool.make(layer(1, { tag: Other }) as never))
    assert.instanceOf(error, TypeError)
    assert.include(error.message, "PromisePool.make: the layer must provide TaskPool")
  })
})

describe("wrong arguments", () => {
  it("reject, and name the function and the argument", () =>
    withPool(layer(1), async (pool) => {
      const fn = () => 1
      const hostile = {
        get weight() {
          throw new Error("hostile")
        }
      }
      const cases: ReadonlyArray<readonly [() => Promise<unknown>, new () => Error, string]> = [
        [() => pool.submit(5 as never), UnknownTaskType, "PromisePool.submit: fn must be a function, got 5"],
        [
          () => pool.fork(undefined as never),
          UnknownTaskType,
          "PromisePool.fork: fn must be a function, got undefined"
        ],
        [() => pool.forEach([], "f" as never), UnknownTaskType, 'PromisePool.forEach: fn must be a function, got "f"'],
        [() => pool.submit(Effect.void as never), UnknownTaskType, "PromisePool.submit: fn must be a function, got"],
        [
          () => pool.submit(fn, { wieght: 1 } as {}),
          TypeError,
          'PromisePool.submit: unknown option "wieght" (known: weight'
        ],
        [() => pool.fork(fn, { discard: true } as {}), TypeError, 'PromisePool.fork: unknown option "discard"'],
        [() => pool.forEach([], fn, { args: [] } as {}), TypeError, 'PromisePool.forEach: unknown option "args"'],
        [() => pool.submit(fn, 5 as never), RangeError, "PromisePool.submit: options must be an object, got 5"],
        [() => pool.submit(fn, null as never), RangeError, "PromisePool.submit: options must be an object, got null"],
        [
          () => pool.submit(fn, { signal: null as never }),
          TypeError,
          "PromisePool.submit: signal must be an AbortSignal, got"
        ],
        [
          () => pool.forEach([], fn, { signal: {} as never }),
          TypeError,
          "PromisePool.forEach: signal must be an AbortSignal"
        ],
        [
          () => pool.submit(fn, { weight: 1.5 }),
          UnknownTaskWeight,
          "PromisePool.submit: weight must be a safe integer, got 1.5"
        ],
        [() => pool.scale(0.5), RangeError, "PromisePool.scale: delta must be a safe integer, got 0.5"],
        [() => pool.resize(-1), RangeError, "PromisePool.resize: size must be an integer >= 0 or Infinity, got -1"],
        [() => pool.close({ mode: "soft" as never }), RangeError, "PromisePool.close: mode must be"],
        [() => pool.submit(fn, hostile as {}), Error, "hostile"],
        [() => pool.submit(fn, { retry: 3 as never }), RangeError, "PromisePool.submit: retry: options must be"],
        [
          () => pool.submit(fn, { retry: { time: 3 } as {} }),
          TypeError,
          'PromisePool.submit: retry: unknown option "time" (known: delay, schedule, times, until, while)'
        ],
        [() => pool.submit(fn, { retry: { times: -1 } }), RangeError, "PromisePool.submit: retry: times must be"],
        [
          () => pool.submit(fn, { retry: { delay: -1 } }),
          RangeError,
          "PromisePool.submit: retry: delay must be a Duration"
        ],
        [
          () => pool.submit(fn, { retry: { delay: 1, schedule: Schedule.forever } }),
          TypeError,
          "PromisePool.submit: retry: delay and schedule exclude each other"
        ]
      ]
      for (const [use, type, message] of cases) {
        const error = await rejection(use())
        assert.instanceOf(error, type, message)
        assert.include(error.message, message)
      }
      assert.deepInclude(await pool.stats(), { submitted: 0 })
    }))
})

describe("retry", () => {
  it("runs the task again, as often and after what time it says", () =>
    withPool(layer(1), async (pool) => {
      const run = async (retry: PromiseRetry | Schedule.Schedule<unknown>, failures: number) => {
        let attempts = 0
        const fn = () => (attempts++ < failures ? Promise.reject(new Error(`failure ${attempts}`)) : attempts)
        const answer = await pool.submit(fn, { retry }).catch(({ message }: Error) => message)
        return [attempts, answer]
      }
      const delays: Array<number> = []
      const delay = (attempt: number) => {
        delays.push(attempt)
        return 0
      }
      assert.deepStrictEqual(await run({ times: 3 }, 2), [3, 3])
      assert.deepStrictEqual(await run({ times: 1 }, 2), [2, "failure 2"])
      assert.deepStrictEqual(await run({ times: 0, delay: 1 }, 2), [1, "failure 1"])
      assert.deepStrictEqual(await run({ times: 3, delay }, 9), [4, "failure 4"])
      assert.deepStrictEqual(delays.slice(0, 3), [1, 2, 3])
      assert.deepStrictEqual(
        await run({ delay: "1 millis", while: (error) => String(error) !== "Error: failure 2" }, 9),
        [2, "failure 2"]
      )
      assert.deepStrictEqual(await run({ schedule: Schedule.recurs(1) }, 9), [2, "failure 2"])
      assert.deepStrictEqual(await run(Schedule.recurs(2), 9), [3, "failure 3"])
    }))

  it("rejects with what its functions throw, or if they return no time", () =>
    withPool(layer(1), async (pool) => {
      const fail = () => Promise.reject(new Error("task"))
      const thrower = () => {
        throw new Error("thrown")
      }
      const nonsense = () => "soon" as never
      assert.propertyVal(await rejection(pool.submit(fail, { retry: { delay: thrower } })), "message", "thrown")
      const error = await rejection(pool.submit(fail, { retry: { delay: nonsense } }))
      assert.include(String(error), "PromisePool.submit: retry: delay must be a Duration >= 0")
    }))
})

describe("the report of a closed pool (load 9)", () => {
  it("lists functions, which can run elsewhere", async () => {
    const pool = await PromisePool.make(layer(1))
    const began: Array<string> = []
    const wait = (name: string) => (): Promise<void> => {
      began.push(name)
      return new Promise(() => {})
    }
    const running = pool.submit(wait("running"), { label: "running" })
    const fn = ({ signal }: { readonly signal: { readonly aborted: boolean } }): string => `aborted: ${signal.aborted}`
    const waiting = pool.submit(fn)
    const items = pool.forEach(["a"], (item, index, { signal }) => `${item} ${index} ${signal.aborted}`)
    const ends = Promise.allSettled([running, waiting, items])
    await pool.stats()
    const { tasks = [] } = await pool.close({ mode: "interrupt", collect: true })
    await ends
    assert.deepStrictEqual(began, ["running"])
    assert.deepStrictEqual(
      tasks.map(({ label, started }) => ({ label, started })),
      [
        { label: "running", started: true },
        { label: undefined, started: false },
        { label: undefined, started: false }
      ]
    )
    assert.strictEqual(tasks[1]!.task, fn)
    const again = tasks
      .slice(1)
      .map(({ args, task }) => (task as (...args: ReadonlyArray<unknown>) => unknown)(...args))
    assert.deepStrictEqual(again, ["aborted: false", "a 0 false"])
    assert.deepStrictEqual(tasks[2]!.args, [])
  })

  it("lists tasks that were submitted as Effects as they are, and calls none of them", async () => {
    await Effect.runPromise(
      Effect.gen(function* () {
        const service = yield* TaskPool
        const pool = yield* Effect.promise(() => PromisePool.make(Layer.succeed(TaskPool, service)))
        const began: Array<string> = []
        const add = (name: string) => {
          began.push(name)
          return Effect.never
        }
        yield* service.fork(Effect.never)
        yield* service.fork(add, { args: ["function"] })
        yield* service.fork(TaskPool)
        yield* Effect.forkChild(service.forEach(["a"], add))
        yield* Effect.forkChild(Stream.runDrain(service.mapEffect(Stream.make("b"), add)))
        yield* service.awaitStats(({ waiting }) => waiting === 4)
        const items = pool.forEach(["c"], (item, index) => `${item} ${index}`)
        const ends = Promise.allSettled([items])
        const { tasks = [] } = yield* Effect.promise(() => pool.close({ mode: "interrupt", collect: true }))
        yield* Effect.promise(() => ends)
        assert.deepStrictEqual(began, [])
        const [first, second, third, ...rest] = tasks
        assert.strictEqual(first!.task, Effect.never)
        assert.deepStrictEqual([second!.task, second!.args], [add, ["function"]])
        assert.strictEqual(third!.task, TaskPool)
        const results = rest.map(({ task }) => (task as () => unknown)())
        assert.deepStrictEqual(results, [Effect.never, Effect.never, "c 0"])
        assert.deepStrictEqual(began, ["a", "b"])
      }).pipe(Effect.provide(layer(1)))
    )
  })
})

describe("the name of a task", () => {
  it("is the name of its function", async () => {
    let service: TaskPool["Service"] | undefined
    const observed = Layer.tap(layer(1), (context) => {
      service = Context.get(context, TaskPool)
      return Effect.void
    })
    await withPool(observed, async (pool) => {
      const forever = (): Promise<never> => new Promise(() => {})
      const ends = Promise.allSettled([pool.submit(forever), pool.forEach(["a"], async function perItem() {})])
      await pool.stats()
      const { tasks } = await Effect.runPromise(service!.inspect())
      assert.deepStrictEqual(
        tasks.map(({ label }) => label),
        ["forever", "perItem"]
      )
      await pool.close({ mode: "interrupt" })
      await ends
    })
  })
})

describe("the parameter of a function", () => {
  it("has its signal as a property that copies keep (load 11)", async () => {
    await withPool(layer(1), async (pool) => {
      const copied = await pool.submit((task) => [Object.keys(task), typeof { ...task, method: "POST" }.signal])
      assert.deepStrictEqual(copied, [["signal"], "object"])
      const items = await pool.forEach(["a"], (item, index, task) => [item, index, Object.keys(task)])
      assert.deepStrictEqual(items, [["a", 0, ["signal"]]])
    })
  })

  it("has no other property, also for a function that declares no parameter", async () => {
    await withPool(layer(1), async (pool) => {
      const keys = await pool.submit(function () {
        const [task] = arguments as unknown as [{ readonly signal: { readonly aborted: boolean } }]
        return [Object.keys(task), task.signal.aborted]
      })
      assert.deepStrictEqual(keys, [[], false])
    })
  })

  it("aborts a copied signal", async () => {
    await withPool(layer(1), async (pool) => {
      const controller = new AbortController()
      let copy: AbortSignal | undefined
      const ended = rejection(
        pool.submit(
          (task) => {
            copy = { ...task }.signal
            return new Promise(() => {})
          },
          { signal: controller.signal }
        )
      )
      await pool.stats()
      controller.abort("why")
      assert.strictEqual(await ended, "why")
      assert.isTrue(copy?.aborted)
    })
  })
})

describe("an abort that another listener keeps from the pool", () => {
  it("rejects the promise all the same, and the task leaves its worker (load 11)", async () => {
    await withPool(layer(1), async (pool) => {
      const controller = new AbortController()
      controller.signal.addEventListener("abort", (event) => event.stopImmediatePropagation())
      const first = gate()
      const running = pool.submit(() => first.opened)
      let began = false
      const aborted = rejection(
        pool.submit(
          () => {
            began = true
          },
          { signal: controller.signal }
        )
      )
      controller.abort("why")
      first.open()
      await running
      assert.strictEqual(await aborted, "why")
      assert.isFalse(began)
      assert.strictEqual(await pool.submit(() => "next"), "next")
    })
  })

  it("is not tried again", () =>
    withPool(layer(1), async (pool) => {
      const controller = new AbortController()
      controller.signal.addEventListener("abort", (event) => event.stopImmediatePropagation())
      const first = gate()
      const running = pool.submit(() => first.opened)
      const aborted = rejection(pool.submit(() => "ran", { signal: controller.signal, retry: { delay: 1 } }))
      controller.abort("why")
      first.open()
      await running
      assert.strictEqual(await aborted, "why")
    }))
})

it("a pool that a task makes is its own, also from the layer of the task's pool", async () => {
  const shared = layer(1)
  await withPool(shared, async (outer) => {
    const size = await outer.submit(async () => {
      await using inner = await PromisePool.make(shared)
      await inner.resize(5)
      return (await inner.stats()).size
    })
    const { phase, size: outerSize } = await outer.stats()
    assert.deepStrictEqual([size, outerSize, phase], [5, 1, "Open"])
  })
})

describe("a loop over promises that reject at once", () => {
  const calls: Record<string, (pool: PromisePool) => Promise<unknown>> = {
    "an aborted signal": (pool) => pool.submit(() => 1, { signal: AbortSignal.abort("no") }),
    "a wrong argument": (pool) => pool.submit(3 as never)
  }
  for (const [name, call] of Object.entries(calls)) {
    it(`lets the event loop turn: ${name} (load 11)`, async () => {
      await withPool(layer(1), async (pool) => {
        let turned = false
        setImmediate(() => {
          turned = true
        })
        for (let i = 0; i < 10_000 && !turned; i++) await rejection(call(pool))
        assert.isTrue(turned)
      })
    })
  }
})

describe("several closers", () => {
  it("all wait until everything that the layer has acquired is released", async () => {
    const log: Array<string> = []
    const released = Effect.andThen(
      Effect.sleep(5),
      Effect.sync(() => log.push("released"))
    )
    const resource = Layer.effectDiscard(Effect.addFinalizer(() => released))
    const pool = await PromisePool.make(Layer.provideMerge(layer(1), resource))
    const close = (name: string) => pool.close().then(() => log.push(name))
    await Promise.all([close("first"), close("second")])
    assert.deepStrictEqual(log, ["released", "first", "second"])
  })
})
