/**
 * The private parts of Effect's runtime that the hot path uses: how a fiber waits, is made, and keeps its context.
 *
 * The public `Effect.callback` costs four closures and three objects, which live as long as a fiber waits, and
 * `Context.add` costs as much as a quarter of a small task. The runtime's internal protocol avoids both costs: an effect
 * has an `evaluate` method, and a frame on a fiber's stack is called when it is popped. A waiting submit takes half the
 * memory (ADR 0004). Effect promises none of this: `probe.ts` checks it at load.
 */
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Effectable from "effect/Effectable"
import * as Exit from "effect/Exit"
import type { Fiber } from "effect/Fiber"
import { type AnySpan, ParentSpan } from "effect/Tracer"
import type { AsyncContext } from "./asyncContext.ts"

/** A fiber with the private members that the runtime uses. */
export interface RuntimeFiber extends Fiber<any, any> {
  interruptible: boolean
  _stack: Array<unknown>
  _observers: Array<(exit: Exit.Exit<any, any>) => void> | undefined
  _parent: Parent | undefined
  readonly _interruptedCause: Cause.Cause<never> | undefined
  /** The async context in which the fiber suspended, while it is suspended. */
  readonly _asyncContext: AsyncContext | undefined
  evaluate(effect: Effect.Effect<any, any, any>): void
  yieldWith(resumed: () => void): Effect.Effect<never>
}

/** The names of a frame's methods: the runtime calls one when it pops the frame, and then one for success or failure. */
const popped = "~effect/Effect/ensureCont"
const succeeded = "~effect/Effect/successCont"
const failed = "~effect/Effect/failureCont"

/** Makes the instances of a class effects, and adds the members of `extras` to them. */
export const asEffects = <A extends Effect.Effect<any, any, any>>(
  type: { readonly name: string; readonly prototype: A },
  evaluate: (this: A, fiber: RuntimeFiber) => Effect.Effect<any, any, any>,
  extras?: object
): void => {
  // Extending `Effectable.Class` would be simpler. Its chain of constructors takes as long as the rest of a task.
  const effect = Effectable.Prototype<A>({
    label: type.name,
    evaluate: evaluate as (this: A, fiber: Fiber<any, any>) => any
  })
  Object.setPrototypeOf(type.prototype, Object.assign(effect, extras))
}

/**
 * What a fiber waits for. It is a frame on the fiber's stack meanwhile. It answers once, unless the fiber is interrupted
 * first.
 */
export interface Waiter {
  /** The fiber that waits for the answer, until it has the answer. */
  caller: RuntimeFiber | ((answer: Exit.Exit<any, any>) => void) | undefined
  /** Called when the caller is interrupted. Returns what the caller must do before it ends. Clears `caller`. */
  onCallerInterrupt(by: number): Effect.Effect<void>
}

/** The frame methods of a class of waiters. */
export const waiter = {
  [popped](this: Waiter, fiber: RuntimeFiber): void {
    if (this.caller === undefined || !fiber.interruptible) return
    // The runtime calls failure handlers of an interrupted fiber only if they are uninterruptible.
    fiber.interruptible = false
    fiber._stack.push(interruptibleAgain)
  },
  [failed](
    this: Waiter,
    cause: Cause.Cause<any>,
    fiber: RuntimeFiber,
    exit?: Exit.Exit<never, any>
  ): Effect.Effect<never, any> {
    if (this.caller === undefined) return exit ?? Effect.failCause(cause)
    return Effect.andThen(this.onCallerInterrupt(fiber.id), Effect.failCause(cause))
  }
}

const interruptibleAgain = {
  [popped](fiber: RuntimeFiber): (() => Effect.Effect<never>) | undefined {
    fiber.interruptible = true
    const cause = fiber._interruptedCause
    return cause === undefined ? undefined : () => Effect.failCause(cause)
  }
}

/**
 * Code to run when an operation has ended, with any outcome. It is a frame on the fiber's stack under that operation,
 * and costs a fraction of `Effect.uninterruptibleMask` with `Effect.exit`.
 */
export interface Ending {
  /** Whether the fiber could be interrupted. */
  wasInterruptible: boolean
  /**
   * Called when the operation has ended. Returns whether the fiber continues at once. If not, `continueWith` is called.
   */
  end(): boolean
  /** Returns the effect that leads to the operation's outcome. It can be interrupted within `restore` only. */
  continueWith(
    exit: Exit.Exit<any, any>,
    restore: <B>(effect: Effect.Effect<B>) => Effect.Effect<B>
  ): Effect.Effect<any, any>
}

const afterEnd = (ending: Ending, exit: Exit.Exit<any, any>): Effect.Effect<any, any> =>
  ending.end() ? exit : ending.continueWith(exit, ending.wasInterruptible ? Effect.interruptible : (effect) => effect)

/** The frame methods of a class of endings. */
export const ending = {
  [popped](this: Ending, fiber: RuntimeFiber): void {
    const { interruptible } = fiber
    // First: `end` may run code that interrupts this fiber. If it were interruptible, the runtime would drop what follows.
    fiber.interruptible = false
    const isOver = this.end()
    if (!interruptible) return
    if (isOver && fiber._interruptedCause === undefined) {
      fiber.interruptible = true
      return
    }
    this.wasInterruptible = true
    // The runtime calls failure handlers of an interrupted fiber only if they are uninterruptible.
    fiber._stack.push(interruptibleAgain)
  },
  [succeeded](this: Ending, value: unknown, _fiber: RuntimeFiber, exit?: Exit.Exit<any, any>): Effect.Effect<any, any> {
    return afterEnd(this, exit ?? Exit.succeed(value))
  },
  [failed](
    this: Ending,
    cause: Cause.Cause<any>,
    _fiber: RuntimeFiber,
    exit?: Exit.Exit<any, any>
  ): Effect.Effect<any, any> {
    return afterEnd(this, exit ?? Exit.failCause(cause))
  }
}

/** Calls `ending` when the operation that the fiber evaluates next has ended. */
export const pushEnding = (fiber: RuntimeFiber, ending: Ending): void => {
  fiber._stack.push(ending)
}

const nothing = (): void => {}

/** Makes the fiber wait for the waiter's answer. The result must be returned from `evaluate`. */
export const wait = (fiber: RuntimeFiber, waiter: Waiter): Effect.Effect<any, any> => {
  waiter.caller = fiber
  // Pushing to an empty list reserves 16 places: 128 bytes for as long as the fiber waits.
  if (fiber._stack.length === 0) fiber._stack = [waiter]
  else fiber._stack.push(waiter)
  return fiber.yieldWith(nothing)
}

/** Resumes the caller in this step. */
export const answerCaller = (waiter: Waiter, answer: Exit.Exit<any, any>): void => {
  const { caller } = waiter
  waiter.caller = undefined
  if (typeof caller === "function") caller(answer)
  else caller?.evaluate(answer)
}

/** Returns the async context in which the caller waits, if it is known. */
export const callersAsyncContext = ({ caller }: Pick<Waiter, "caller">): AsyncContext | undefined =>
  typeof caller === "object" ? caller._asyncContext : undefined

export const runFork = (effect: Effect.Effect<unknown>): RuntimeFiber =>
  Effect.runFork(effect) as Fiber<any, any> as RuntimeFiber

const FiberImpl = runFork(Effect.void).constructor as new (context: Context.Context<never>) => RuntimeFiber

/** Makes the fiber that `Effect.runForkWith` would make, before it begins to evaluate. */
export const makeFiber = (context: Context.Context<never>): RuntimeFiber => new FiberImpl(context)

/**
 * Is told of the end of a fiber whose parent it is. The runtime removes a fiber that has ended from the children of its
 * parent. An observer would cost each task a closure and a list.
 */
export interface Parent {
  readonly _children: { delete(fiber: RuntimeFiber): void }
}

/** Makes `parent` the parent of a fiber that has not ended. */
export const setParent = (fiber: RuntimeFiber, parent: Parent): void => {
  fiber._parent = parent
}

/**
 * Calls `observer` after the observers that the code of an ending fiber has added. These are called through `guard`: if
 * one throws, the others must still be called.
 */
export const observeLast = (
  fiber: RuntimeFiber,
  observer: (exit: Exit.Exit<any, any>) => void,
  guard: (observer: (exit: Exit.Exit<any, any>) => void, exit: Exit.Exit<any, any>) => void
): void => {
  const observers = fiber._observers!
  fiber._observers = [
    (exit) => {
      for (const each of observers) guard(each, exit)
      observer(exit)
    }
  ]
}

/** One entry on top of a context. */
export interface Overlay {
  readonly key: string
  readonly value: unknown
  readonly parent: Overlay | undefined
}

/** What contexts share that have the same values for the keys which fibers cache. */
interface CacheRoot {
  /** The cache of all fibers in these contexts, made by the first one. */
  readonly _fiberCache?: Fiber.Cache | undefined
}

/** A context with the private members that the runtime uses: a map, and a few entries on top of it. */
export interface RuntimeContext extends Context.Context<never> {
  readonly cacheRoot: CacheRoot
  readonly base: ReadonlyMap<string, unknown>
  readonly overlay: Overlay | undefined
  readonly depth: number
  readonly maxDepth: number
}

// The same fields as the runtime's context. A class gives them one hidden class, and one object serves as both the
// context and its top entry, for which the runtime makes two.
class Overlaid {
  cacheRoot: CacheRoot
  base: ReadonlyMap<string, unknown>
  overlay: unknown
  depth: number
  _flat = undefined
  baseHits = 0
  maxDepth: number
  key: string
  value: unknown
  parent: unknown
  constructor(under: RuntimeContext, key: string, value: unknown, cacheRoot: CacheRoot) {
    this.cacheRoot = cacheRoot
    this.base = under.base
    this.overlay = this
    this.depth = under.depth + 1
    this.maxDepth = under.maxDepth
    this.key = key
    this.value = value
    this.parent = under.overlay
  }
}
Object.setPrototypeOf(Overlaid.prototype, Object.getPrototypeOf(Context.empty()))

/** Like `Context.add`, for a key that fibers do not cache. */
export const overlay = <A>(
  context: Context.Context<never>,
  key: Context.Key<A, A>,
  value: NoInfer<A>
): Context.Context<never> => {
  const under = context as RuntimeContext
  if (under.depth >= under.maxDepth) return Context.add(context, key, value)
  return new Overlaid(under, key.key, value, under.cacheRoot) as unknown as Context.Context<never>
}

/**
 * Like `Context.add` of a parent span. After `Context.add`, the next fiber would look up all that it caches. Only the
 * span of the cache differs.
 */
export const overlaySpan = (context: Context.Context<never>, span: AnySpan): Context.Context<never> => {
  const under = context as RuntimeContext
  const cache = under.cacheRoot._fiberCache
  if (cache === undefined || under.depth >= under.maxDepth) return Context.add(context, ParentSpan, span)
  const cacheRoot = { _fiberCache: { ...cache, span } }
  return new Overlaid(under, ParentSpan.key, span, cacheRoot) as unknown as Context.Context<never>
}
