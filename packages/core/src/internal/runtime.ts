/**
 * What the hot path uses of Effect's runtime beyond its public interface, and the look whether it is there.
 *
 * A fiber waits in `Effect.callback` at the price of four closures and three objects, which stay as long as it waits; and
 * `Context.add` costs as much as a quarter of a small task. Both come cheaper to who speaks the runtime's own protocol:
 * an effect has an `evaluate` method under a key of its own, and whatever lies on a fiber's stack is asked what to do when
 * it is popped. A waiting submit takes half the memory by it (ADR 0004).
 *
 * None of this is promised by Effect. So `isKnown` says whether the runtime that was loaded does what is expected here,
 * found out by doing it once; where it is `false` the callers take the public way, which is dearer and else the same.
 */
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Effectable from "effect/Effectable"
import * as Exit from "effect/Exit"
import type { Fiber } from "effect/Fiber"

/** Node's `AsyncResource`, as far as it is used here. */
export interface AsyncContext {
  runInAsyncScope<This, A, B>(f: (this: This, arg: A) => B, self: This, arg: A): B
  emitDestroy(): void
}

interface AsyncHooks {
  readonly AsyncResource: new (type: string) => AsyncContext
  readonly AsyncLocalStorage: new () => { run<A>(store: unknown, f: () => A): A; getStore(): unknown }
}

// Reached as Effect itself does, without importing Node; elsewhere there is no async context to keep.
const hooks: AsyncHooks | undefined = (globalThis as any).process?.getBuiltinModule?.("node:async_hooks")
const AsyncResource = hooks?.AsyncResource

/** The current async context, for a task that will be started in somebody else's step (I7). */
export const captureAsyncContext = (): AsyncContext | undefined =>
  AsyncResource === undefined ? undefined : new AsyncResource("TaskPool.task")

/**
 * Under which key a captured context keeps all that makes it one, where it does: the frame of Node 24 and newer. Older ones
 * copy each store into each resource. Found by looking, with `captureAsyncContext` doing what it does.
 */
const frame: symbol | undefined = (() => {
  if (hooks === undefined) return undefined
  const storage = new hooks.AsyncLocalStorage()
  const capture = (): any => captureAsyncContext()
  const [plain, one, same, other] = [
    capture(),
    ...storage.run(1, () => [capture(), capture()]),
    storage.run(2, capture)
  ]
  return Object.getOwnPropertySymbols(plain).find(
    (key) => one[key] === same[key] && one[key] !== other[key] && one[key] !== plain[key]
  )
})()

/** The class of the frames, where it tells which one is the current, and takes another. */
const frames: { current(): unknown; set(frame: unknown): void } | undefined = (() => {
  if (hooks === undefined || frame === undefined) return undefined
  const storage = new hooks.AsyncLocalStorage()
  const capture = (): any => captureAsyncContext()
  const one = storage.run(1, () => capture()[frame])
  const { constructor: frames } = one
  if (typeof frames.current !== "function" || typeof frames.set !== "function") return undefined
  const tells = (): boolean => frames.current() === capture()[frame]
  const takes = (): boolean => {
    frames.set(one)
    return tells() && storage.getStore() === 1
  }
  return tells() && storage.run(2, () => tells() && takes()) && tells() ? frames : undefined
})()

/** Whether a captured context is the current one; `false` where that is not to be told. */
export const isCurrent: (context: AsyncContext) => boolean =
  frames === undefined ? () => false : (context) => frames.current() === (context as any)[frame!]

/**
 * The same context, for code that may enter another one there: without frames that would stay in what was captured, and be
 * found by whoever runs there next.
 */
export const copyOf = (context: AsyncContext): AsyncContext | undefined =>
  frames === undefined ? context.runInAsyncScope(captureAsyncContext, undefined, undefined) : context

/** Goes back to a context that was the current one in this step. */
export const goBackTo = (context: AsyncContext): void => {
  if (frames !== undefined && !isCurrent(context)) frames.set((context as any)[frame!])
}

/** The current async context: `known`, if that is the same. Many tasks that wait in one then keep one between them. */
export const captureAsyncContextLike = (known: AsyncContext | undefined): AsyncContext | undefined =>
  known !== undefined && isCurrent(known) ? known : captureAsyncContext()

/** Lets go of a task's context. One that others may share is let go of by the garbage collector. */
export const releaseAsyncContext = (context: AsyncContext | undefined): void => {
  if (frame === undefined) context?.emitDestroy()
}

/** A fiber as the runtime itself sees it. */
export interface RuntimeFiber extends Fiber<any, any> {
  interruptible: boolean
  currentOpCount: number
  _stack: Array<unknown>
  readonly _observers: ReadonlyArray<unknown> | undefined
  readonly _children: ReadonlySet<unknown> | undefined
  readonly _interruptedCause: Cause.Cause<never> | undefined
  /** The async context in which it suspended, while it is suspended. */
  readonly _asyncContext: AsyncContext | undefined
  evaluate(effect: Effect.Effect<any, any, any>): void
  yieldWith(resumed: () => void): Effect.Effect<never>
}

/** A frame's methods: when it is popped, and when that is because of a failure. */
const popped = "~effect/Effect/ensureCont"
const succeeded = "~effect/Effect/successCont"
const failed = "~effect/Effect/failureCont"

/** Makes the instances of a class effects, and `extras` a part of them. */
export const asEffects = <A extends Effect.Effect<any, any, any>>(
  type: { readonly name: string; readonly prototype: A },
  evaluate: (this: A, fiber: RuntimeFiber) => Effect.Effect<any, any, any>,
  extras?: object
): void => {
  // To extend `Effectable.Class` is the usual way: each instance then goes through a chain of constructors, which takes as
  // long as all else about it.
  const effect = Effectable.Prototype<A>({
    label: type.name,
    evaluate: evaluate as (this: A, fiber: Fiber<any, any>) => any
  })
  Object.setPrototypeOf(type.prototype, Object.assign(effect, extras))
}

/**
 * Something that a fiber waits for, and that lies on the fiber's stack meanwhile. It gives one answer, or its caller is
 * interrupted and leaves.
 */
export interface Waiter {
  /** Who waits for the answer, until it has it. */
  caller: RuntimeFiber | ((answer: Exit.Exit<any, any>) => void) | undefined
  /** The caller was interrupted: what is to be done before it goes. Leaves no `caller`. */
  leave(by: number): Effect.Effect<void>
}

/** What the instances of a class of waiters need besides. */
export const waiter = {
  [popped](this: Waiter, fiber: RuntimeFiber): void {
    if (this.caller === undefined || !fiber.interruptible) return
    // Only a handler that is not interruptible hears of an interruption.
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
    return Effect.andThen(this.leave(fiber.id), Effect.failCause(cause))
  }
}

const interruptibleAgain = {
  [popped](fiber: RuntimeFiber): (() => Effect.Effect<never>) | undefined {
    fiber.interruptible = true
    const cause = fiber._interruptedCause
    return cause === undefined ? undefined : () => Effect.failCause(cause)
  }
}

/** What lies at the foot of a fiber's stack, and is asked what comes next when all else there has succeeded. */
export interface Foot {
  next(value: unknown, fiber: RuntimeFiber): Effect.Effect<unknown, unknown>
}

/** What the instances of a class of feet need besides. */
export const foot = {
  [succeeded](this: Foot, value: unknown, fiber: RuntimeFiber): Effect.Effect<unknown, unknown> {
    return this.next(value, fiber)
  }
}

const nothing = (): void => {}

/** To be returned when an effect is evaluated: the fiber waits for the waiter's answer. */
export const wait = (fiber: RuntimeFiber, waiter: Waiter): Effect.Effect<any, any> => {
  waiter.caller = fiber
  // What is pushed to an empty list makes room for 16 more, 128 bytes for as long as the fiber waits.
  if (fiber._stack.length === 0) fiber._stack = [waiter]
  else fiber._stack.push(waiter)
  return fiber.yieldWith(nothing)
}

/** Resumes the caller, in this step. */
export const answerCaller = (waiter: Waiter, answer: Exit.Exit<any, any>): void => {
  const { caller } = waiter
  waiter.caller = undefined
  if (typeof caller === "function") caller(answer)
  else caller?.evaluate(answer)
}

/** In which async context the caller waits, if that is known. */
export const callersAsyncContext = ({ caller }: Pick<Waiter, "caller">): AsyncContext | undefined =>
  typeof caller === "object" ? caller._asyncContext : undefined

const runFork = (effect: Effect.Effect<unknown>): RuntimeFiber =>
  Effect.runFork(effect) as Fiber<any, any> as RuntimeFiber

const FiberImpl = runFork(Effect.void).constructor as new (context: Context.Context<never>) => RuntimeFiber

/** The fiber that `Effect.runForkWith` makes, before it begins to evaluate. */
export const makeFiber = (context: Context.Context<never>): RuntimeFiber => new FiberImpl(context)

interface Overlay {
  readonly key: string
  readonly value: unknown
  readonly parent: Overlay | undefined
}

/** A context as the runtime itself sees it: a map, and a few entries laid over it. */
interface RuntimeContext extends Context.Context<never> {
  readonly cacheRoot: unknown
  readonly base: ReadonlyMap<string, unknown>
  readonly overlay: Overlay | undefined
  readonly depth: number
  readonly maxDepth: number
}

// As a class, so that the engine knows its shape: the runtime builds the same field by field. And one object, where the
// runtime makes two: it is a context, and what is laid over it.
class Overlaid {
  cacheRoot: unknown
  base: ReadonlyMap<string, unknown>
  overlay: unknown
  depth: number
  _flat = undefined
  baseHits = 0
  maxDepth: number
  key: string
  value: unknown
  parent: unknown
  constructor(under: RuntimeContext, key: string, value: unknown) {
    this.cacheRoot = under.cacheRoot
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

/** As `Context.add`, for a key that is no `Reference`. */
export const overlay = <A>(
  context: Context.Context<never>,
  key: Context.Key<A, A>,
  value: NoInfer<A>
): Context.Context<never> => {
  const under = context as RuntimeContext
  if (under.depth >= under.maxDepth) return Context.add(context, key, value)
  return new Overlaid(under, key.key, value) as unknown as Context.Context<never>
}

// ---- the look -----------------------------------------------------------------------------------------------------

interface Probe extends Effect.Effect<string> {}
class Probe implements Waiter {
  caller: Waiter["caller"] = undefined
  left = false
  leave(): Effect.Effect<void> {
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

/** A fiber waits, keeps its async context meanwhile, takes an answer, and tells its waiter when it is interrupted. */
const waitsAsExpected = (): boolean => {
  const answered = new Probe()
  const fiber = runFork(Effect.uninterruptible(answered))
  fiber.interruptUnsafe()
  const kept = AsyncResource === undefined || fiber._asyncContext instanceof AsyncResource
  const waits = fiber.pollUnsafe() === undefined && answered.caller === fiber
  answerCaller(answered, Exit.succeed("answer"))
  const took = fiber.pollUnsafe()?._tag === "Failure" && !answered.left

  const interrupted = new Probe()
  const other = runFork(Effect.exit(interrupted))
  const before = other.interruptible
  other.interruptUnsafe(1)
  const exit = other.pollUnsafe()
  const told = interrupted.left && before && other.interruptible && exit !== undefined && Exit.hasInterrupts(exit)

  const plain = new Probe()
  const last = runFork(Effect.map(plain, (answer) => `the ${answer}`))
  answerCaller(plain, Exit.succeed("answer"))
  const value = last.pollUnsafe()
  return kept && waits && took && told && value?._tag === "Success" && value.value === "the answer"
}

const overlaysAsExpected = (): boolean => {
  const [One, Other] = [Context.Service<1, number>("one"), Context.Service<number, number>("other")]
  const under: Context.Context<any> = Context.make(One, 1)
  const [ours, theirs] = [overlay(under, Other, 2), Context.add(under, Other, 2)]
  // The fields of a context, and the keys and values that are laid over it.
  const fields = (context: object): string => {
    const { key: _key, overlay, parent: _parent, value: _value, ...known } = context as RuntimeContext & Overlay
    const laid: Array<unknown> = []
    for (let each = overlay; each !== undefined; each = each.parent) laid.push(each.key, each.value)
    return JSON.stringify([laid, Object.entries(known)])
  }
  const [more, sameMore] = [Context.add(ours, One, 3), Context.add(theirs, One, 3)]
  return (
    fields(ours) === fields(theirs) &&
    fields(more) === fields(sameMore) &&
    Context.getUnsafe(ours, Other) === 2 &&
    Context.getUnsafe(ours as Context.Context<any>, One) === 1
  )
}

const makesFibersAsExpected = (): boolean => {
  const One = Context.Service<1, number>("one")
  const fiber = makeFiber(Context.make(One, 1))
  const before = fiber.pollUnsafe()
  fiber.evaluate(Effect.map(One, (one) => one + 1))
  const exit = fiber.pollUnsafe()
  return before === undefined && exit?._tag === "Success" && exit.value === 2
}

/** A fiber asks what lies at the foot of its stack what comes next, after a success only. */
const asksItsFootAsExpected = (): boolean => {
  const asked: Array<unknown> = []
  const probe = (first: Effect.Effect<unknown, unknown>): RuntimeFiber => {
    const feet: Foot = Object.assign(Object.create(foot), {
      next: (value: unknown, fiber: RuntimeFiber) => {
        asked.push(value, fiber._stack.length, fiber._observers, fiber._children, fiber.currentOpCount > 0)
        return Effect.succeed("next")
      }
    })
    return runFork(
      Effect.withFiber((fiber) => {
        ;(fiber as RuntimeFiber)._stack.push(feet)
        return Effect.andThen(Effect.void, first) as Effect.Effect<unknown>
      })
    )
  }
  const [succeeds, fails] = [probe(Effect.succeed("first")).pollUnsafe(), probe(Effect.fail("first")).pollUnsafe()]
  return (
    succeeds?._tag === "Success" &&
    succeeds.value === "next" &&
    fails?._tag === "Failure" &&
    JSON.stringify(asked) === JSON.stringify(["first", 0, undefined, undefined, true])
  )
}

/** Whether the runtime is as expected. */
export const isKnown: boolean = (() => {
  // A plain `try`: whatever goes wrong here, the public way is left.
  try {
    return waitsAsExpected() && makesFibersAsExpected() && overlaysAsExpected() && asksItsFootAsExpected()
  } catch {
    return false
  }
})()
