import { isInterrupted, settle, start } from "@aio-task-pool/testing/kit"
import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import { AsyncLocalStorage, AsyncResource } from "node:async_hooks"
import { type AsyncContext, captureAsyncContextLike } from "../../../src/internal/runtime/asyncContext.ts"
import {
  answerCaller,
  asEffects,
  ending,
  type Ending,
  overlay,
  pushEnding,
  type RuntimeFiber,
  wait,
  type Waiter,
  waiter
} from "../../../src/internal/runtime/fiber.ts"
import { hasKnownRuntime } from "../../../src/internal/runtime/probe.ts"

// Whether this Node keeps async contexts in frames, as it does from 24 on. Only then can two contexts be compared.
const hasAsyncContextFrames: boolean = new AsyncLocalStorage<string>().run("probe", () => {
  const resource = new AsyncResource("probe")
  const frame = Object.getOwnPropertySymbols(resource).find((symbol) => symbol.description === "context_frame")
  return frame !== undefined && Reflect.get(resource, frame) !== undefined
})

interface Question extends Effect.Effect<string, string> {}
class Question implements Waiter {
  caller: Waiter["caller"] = undefined
  leavers: Array<number> = []
  onCallerInterrupt(by: number): Effect.Effect<void> {
    this.caller = undefined
    return Effect.andThen(
      Effect.yieldNow,
      Effect.sync(() => this.leavers.push(by))
    )
  }
}
asEffects(
  Question,
  function (fiber) {
    return wait(fiber, this)
  },
  waiter
)

it("the runtime that this is tested with is the one that is known", () => {
  // If this fails after an upgrade of effect, all else still works, by the public way, at a higher price.
  assert.isTrue(hasKnownRuntime)
})

describe("waiting", () => {
  it.effect("gives the answer to what comes after it", () =>
    Effect.gen(function* () {
      const question = new Question()
      const fiber = yield* start(Effect.map(question, (answer) => `the ${answer}`))
      answerCaller(question, Exit.succeed("answer"))
      assert.strictEqual(yield* Fiber.join(fiber), "the answer")
      assert.isUndefined(question.caller)
    })
  )

  it.effect("passes a failure on as it is, and nobody has left", () =>
    Effect.gen(function* () {
      const question = new Question()
      const fiber = yield* start(Effect.exit(Effect.ensuring(question, Effect.yieldNow)))
      answerCaller(question, Exit.fail("no"))
      assert.deepStrictEqual(yield* Fiber.join(fiber), Exit.fail("no"))
      assert.deepStrictEqual(question.leavers, [])
    })
  )

  it.effect("an interrupted caller leaves, is not interruptible meanwhile, and then ends", () =>
    Effect.gen(function* () {
      const question = new Question()
      let wentOn = false
      const fiber = yield* start(
        Effect.andThen(
          Effect.exit(question),
          Effect.sync(() => (wentOn = true))
        )
      )
      fiber.interruptUnsafe(7)
      fiber.interruptUnsafe(8)
      assert.deepStrictEqual(question.leavers, [])
      const exit = yield* Fiber.await(fiber)
      assert.isTrue(isInterrupted(exit))
      assert.deepStrictEqual(question.leavers, [fiber.id])
      assert.isFalse(wentOn)
    })
  )

  it.effect("a caller that cannot be interrupted stays until the answer", () =>
    Effect.gen(function* () {
      const question = new Question()
      const seen: Array<string> = []
      const fiber = yield* start(
        Effect.uninterruptible(Effect.tap(question, (answer) => Effect.sync(() => seen.push(answer))))
      )
      fiber.interruptUnsafe()
      yield* settle
      assert.isUndefined(fiber.pollUnsafe())
      answerCaller(question, Exit.succeed("answer"))
      const exit = yield* Fiber.await(fiber)
      assert.deepStrictEqual(seen, ["answer"])
      assert.deepStrictEqual(question.leavers, [])
      assert.isTrue(Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause))
    })
  )

  it.effect("a caller that is interruptible again after the answer is interrupted then", () =>
    Effect.gen(function* () {
      const question = new Question()
      const fiber = yield* start(Effect.andThen(question, Effect.never))
      answerCaller(question, Exit.succeed("answer"))
      yield* settle
      assert.isUndefined(fiber.pollUnsafe())
      yield* Fiber.interrupt(fiber)
      assert.deepStrictEqual(question.leavers, [])
    })
  )
})

describe("captureAsyncContextLike", () => {
  const storage = new AsyncLocalStorage<string>()
  const seenIn = (context: AsyncContext | undefined) =>
    context?.runInAsyncScope(() => storage.getStore(), undefined, undefined)

  it("gives what is known for the same context, and never for another one", () => {
    const plain = captureAsyncContextLike(undefined)
    const [one, same, entered] = storage.run("one", () => {
      const first = captureAsyncContextLike(plain)
      const second = captureAsyncContextLike(first)
      storage.enterWith("entered")
      return [first, second, captureAsyncContextLike(second)]
    })
    const other = storage.run("other", () => captureAsyncContextLike(one))
    const back = captureAsyncContextLike(other)
    assert.deepStrictEqual([plain, one, same, entered, other, back].map(seenIn), [
      undefined,
      "one",
      "one",
      "entered",
      "other",
      undefined
    ])
    // Without frames two contexts cannot be compared: each task keeps one of its own.
    if (hasAsyncContextFrames) assert.strictEqual(same, one)
  })
})

describe("overlay", () => {
  class One extends Context.Service<One, number>()("test/One") {}
  const Other = Context.Service<string, string>("test/Other")

  it("lays a service over a context, as deep as one likes, and leaves the context as it was", () => {
    let context = Context.make(One, 1) as Context.Context<never>
    const first = context
    for (let i = 0; i < 40; i++) {
      context = overlay(context, Other, `${i}`)
      assert.strictEqual(Context.getUnsafe(context, Other), `${i}`)
      assert.strictEqual(Context.getUnsafe(context, One), 1)
    }
    assert.isUndefined(Context.getOrUndefined(first, Other))
    assert.deepStrictEqual(
      [...context.mapUnsafe],
      [
        ["test/One", 1],
        ["test/Other", "39"]
      ]
    )
  })

  it.effect("is what the fibers of an effect find", () =>
    Effect.gen(function* () {
      const context = overlay(yield* Effect.context(), Other, "found")
      const look = Effect.map(Effect.context(), (inner) => Context.getOrUndefined(inner, Other))
      const provided = Effect.provideService(Effect.forkChild(look), One, 2)
      const fiber = Effect.runForkWith(context)(Effect.flatMap(provided, Fiber.join))
      assert.strictEqual(yield* Fiber.join(fiber), "found")
    })
  )
})

it("an operation's end that interrupts its own fiber keeps what follows the end", () => {
  const called: Array<string> = []
  class Interrupting implements Ending {
    wasInterruptible = false
    private fiber: RuntimeFiber
    constructor(fiber: RuntimeFiber) {
      this.fiber = fiber
    }
    end(): boolean {
      called.push("end")
      this.fiber.interruptUnsafe()
      return false
    }
    continueWith(exit: Exit.Exit<any, any>): Effect.Effect<any, any> {
      return Effect.andThen(
        Effect.sync(() => called.push("continues")),
        exit
      )
    }
  }
  Object.assign(Interrupting.prototype, ending)
  const operation = Effect.withFiber((fiber) => {
    pushEnding(fiber as RuntimeFiber, new Interrupting(fiber as RuntimeFiber))
    return Effect.void
  })
  const exit = Effect.runSyncExit(
    Effect.ensuring(
      operation,
      Effect.sync(() => called.push("finalizer"))
    )
  )
  assert.isTrue(Exit.isFailure(exit) && Exit.hasInterrupts(exit))
  assert.deepStrictEqual(called, ["end", "end", "continues", "finalizer"])
})
