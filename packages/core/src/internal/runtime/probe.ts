/**
 * Feature detection: checks whether the loaded runtime has the private parts that `fiber.ts` uses.
 *
 * Each part is used once, with a value that is not the default, so that a renamed or missing field is noticed. If a
 * check fails, the callers use Effect's public API, which is slower and behaves the same.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { CurrentLogLevel } from "effect/References"
import { externalSpan, ParentSpan } from "effect/Tracer"
import { AsyncResource } from "./asyncContext.ts"
import {
  answerCaller,
  asEffects,
  type Ending,
  ending,
  pushEnding,
  makeFiber,
  observeLast,
  overlay,
  type Overlay,
  overlaySpan,
  type Parent,
  runFork,
  type RuntimeContext,
  type RuntimeFiber,
  setParent,
  wait,
  type Waiter,
  waiter
} from "./fiber.ts"

interface Probe extends Effect.Effect<string> {}
class Probe implements Waiter {
  caller: Waiter["caller"] = undefined
  left = false
  onCallerInterrupt(): Effect.Effect<void> {
    this.caller = undefined
    return Effect.sync(() => {
      this.left = true
    })
  }
}
asEffects(
  Probe,
  function (fiber) {
    return wait(fiber, this)
  },
  waiter
)

/** A fiber waits, keeps its async context meanwhile, takes an answer, and notifies its waiter of an interruption. */
const waitsAsExpected = (): boolean => {
  const answered = new Probe()
  const fiber = runFork(Effect.uninterruptible(answered))
  const stacked = fiber._stack.includes(answered) && !fiber.interruptible && fiber._interruptedCause === undefined
  fiber.interruptUnsafe()
  const noticed = fiber._interruptedCause !== undefined
  const kept = AsyncResource === undefined || fiber._asyncContext instanceof AsyncResource
  const waits = fiber.pollUnsafe() === undefined && answered.caller === fiber
  answerCaller(answered, Exit.succeed("answer"))
  const took = fiber.pollUnsafe()?._tag === "Failure" && !answered.left && fiber._asyncContext === undefined

  const interrupted = new Probe()
  const other = runFork(Effect.exit(interrupted))
  const before = other.interruptible
  other.interruptUnsafe(1)
  const exit = other.pollUnsafe()
  const notified = interrupted.left && before && other.interruptible && exit !== undefined && Exit.hasInterrupts(exit)

  const plain = new Probe()
  const last = runFork(Effect.map(plain, (answer) => `the ${answer}`))
  answerCaller(plain, Exit.succeed("answer"))
  const value = last.pollUnsafe()
  return (
    stacked && noticed && kept && waits && took && notified && value?._tag === "Success" && value.value === "the answer"
  )
}

class Last implements Ending {
  wasInterruptible = false
  exit: Exit.Exit<any, any> | undefined = undefined
  end(): boolean {
    return false
  }
  continueWith(exit: Exit.Exit<any, any>): Effect.Effect<string> {
    this.exit = exit
    return Effect.succeed("continued")
  }
}
Object.assign(Last.prototype, ending)

/** An ending is called when the operation above it succeeds, and when it is interrupted. */
const endsAsExpected = (): boolean => {
  const [succeeded, interrupted, waiting] = [new Last(), new Last(), new Probe()]
  const until = (last: Last, operation: Effect.Effect<string>) =>
    runFork(
      Effect.map(
        Effect.withFiber((fiber) => {
          pushEnding(fiber as RuntimeFiber, last)
          return operation
        }),
        (value) => `it ${value}`
      )
    )
  const exit = until(succeeded, Effect.succeed("ended")).pollUnsafe()
  const other = until(interrupted, waiting)
  other.interruptUnsafe()
  const end = other.pollUnsafe()
  return (
    exit?._tag === "Success" &&
    exit.value === "it continued" &&
    succeeded.wasInterruptible &&
    succeeded.exit?._tag === "Success" &&
    succeeded.exit.value === "ended" &&
    interrupted.exit?._tag === "Failure" &&
    end !== undefined &&
    Exit.hasInterrupts(end)
  )
}

const overlaysAsExpected = (): boolean => {
  const [One, Other] = [Context.Service<1, number>("one"), Context.Service<number, number>("other")]
  const under: Context.Context<any> = Context.make(One, 1)
  const [ours, theirs] = [overlay(under, Other, 2), Context.add(under, Other, 2)]
  // The fields of a context, and the keys and values on top of it.
  const fields = (context: object): string => {
    const { key: _key, overlay, parent: _parent, value: _value, ...known } = context as RuntimeContext & Overlay
    const laid: Array<unknown> = []
    for (let each = overlay; each !== undefined; each = each.parent) laid.push(each.key, each.value)
    return JSON.stringify([laid, Object.entries(known)])
  }
  const [more, sameMore] = [Context.add(ours, One, 3), Context.add(theirs, One, 3)]
  const { base, cacheRoot, depth, maxDepth } = theirs as object as RuntimeContext
  return (
    base instanceof Map &&
    cacheRoot !== undefined &&
    depth === 1 &&
    maxDepth > 1 &&
    fields(ours) === fields(theirs) &&
    fields(more) === fields(sameMore) &&
    Context.getUnsafe(ours, Other) === 2 &&
    Context.getUnsafe(ours as Context.Context<any>, One) === 1
  )
}

/** A fiber under a parent span has the cache that the runtime would make. */
const cachesAsExpected = (): boolean => {
  const span = externalSpan({ spanId: "1", traceId: "2" })
  const under = Context.make(CurrentLogLevel, "Warn")
  const outer = makeFiber(under)
  const context = overlaySpan(under, span)
  const [ours, theirs] = [makeFiber(context).cache, makeFiber(Context.add(under, ParentSpan, span)).cache]
  const keys = Object.keys(theirs) as ReadonlyArray<keyof typeof theirs>
  return (
    (under as object as RuntimeContext).cacheRoot._fiberCache === outer.cache &&
    Context.get(context as Context.Context<any>, ParentSpan) === span &&
    ours.span === span &&
    ours.logLevel === "Warn" &&
    Object.keys(ours).length === keys.length &&
    keys.every((key) => ours[key] === theirs[key])
  )
}

class Told implements Parent {
  private readonly end: (fiber: RuntimeFiber) => void
  constructor(end: (fiber: RuntimeFiber) => void) {
    this.end = end
  }
  get _children(): this {
    return this
  }
  delete(fiber: RuntimeFiber): void {
    this.end(fiber)
  }
}

/**
 * A fiber is made, evaluates, and tells its parent when it has ended, once. The parent can add an observer then, after
 * those that the fiber's own code has added.
 */
const makesFibersAsExpected = (): boolean => {
  const One = Context.Service<1, number>("one")
  const called: Array<string> = []
  const guard = (observer: (exit: Exit.Exit<any, any>) => void, exit: Exit.Exit<any, any>): void => {
    try {
      observer(exit)
    } catch {
      called.push("guarded")
    }
  }
  const waits = new Probe()
  const fiber = makeFiber(Context.make(One, 1))
  const before = fiber.pollUnsafe()
  fiber.evaluate(
    Effect.withFiber((fiber) => {
      fiber.addObserver(() => {
        called.push("its own")
        throw new Error("its own")
      })
      return Effect.andThen(waits, One)
    })
  )
  const own = fiber._observers?.length
  const orphan = fiber._parent
  setParent(fiber, new Told((ended) => observeLast(ended, (exit) => called.push(exit._tag), guard)))
  answerCaller(waits, Exit.succeed("answer"))
  const exit = fiber.pollUnsafe()

  const alone = new Probe()
  const other = makeFiber(Context.empty())
  other.evaluate(alone)
  setParent(
    other,
    new Told((ended) => called.push(`${ended === other} ${ended._observers === undefined} ${ended.pollUnsafe()?._tag}`))
  )
  answerCaller(alone, Exit.succeed("answer"))
  return (
    before === undefined &&
    orphan === undefined &&
    own === 1 &&
    called.join() === "its own,guarded,Success,true true Success" &&
    exit?._tag === "Success" &&
    exit.value === 1
  )
}

/** Whether the runtime has all private parts. */
export const hasKnownRuntime: boolean = (() => {
  // A plain `try`: whatever fails here, the public API still works.
  try {
    return (
      waitsAsExpected() && endsAsExpected() && makesFibersAsExpected() && overlaysAsExpected() && cachesAsExpected()
    )
  } catch {
    return false
  }
})()
