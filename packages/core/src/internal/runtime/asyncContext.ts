/**
 * Node's async context (what `AsyncLocalStorage` reads), captured for a task that starts in another fiber's step (I7).
 *
 * This module does not import Node, because it must load on every platform. Platforms without async context get
 * functions that only call their argument.
 *
 * From Node 24 on, a context is one frame, which can be read and set. Older versions copy each store into each resource.
 * There a task that enters another context changes the resource that it runs in, so each use needs its own copy.
 */

/** The part of Node's `AsyncResource` that is used here. */
export interface AsyncContext {
  runInAsyncScope<This, A, B>(f: (this: This, arg: A) => B, self: This, arg: A): B
  emitDestroy(): void
}

interface AsyncHooks {
  readonly AsyncResource: new (type: string) => AsyncContext
  readonly AsyncLocalStorage: new () => { run<A>(store: unknown, f: () => A): A; getStore(): unknown }
}

const hooks: AsyncHooks | undefined = (globalThis as any).process?.getBuiltinModule?.("node:async_hooks")
export const AsyncResource = hooks?.AsyncResource

/** Returns the current async context; `undefined` if the platform has none. */
export const captureAsyncContext = (): AsyncContext | undefined =>
  AsyncResource === undefined ? undefined : new AsyncResource("TaskPool.task")

/**
 * Makes a value that a function's async context carries. If the platform has no async context, `get` returns nothing.
 */
export const makeLocal = <A>(): { run<B>(value: A, f: () => B): B; get(): A | undefined } => {
  if (hooks === undefined) return { run: (_, f) => f(), get: () => undefined }
  const storage = new hooks.AsyncLocalStorage()
  return { run: (value, f) => storage.run(value, f), get: () => storage.getStore() as A | undefined }
}

/** The key under which a captured context keeps its frame, found by comparing captured contexts. */
const frameKey: symbol | undefined = (() => {
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

/** The class of the frames, if it can return the current frame and set another one. */
const frames: { current(): unknown; set(frame: unknown): void } | undefined = (() => {
  if (hooks === undefined || frameKey === undefined) return undefined
  const storage = new hooks.AsyncLocalStorage()
  const capture = (): any => captureAsyncContext()
  const one = storage.run(1, () => capture()[frameKey])
  const { constructor: frames } = one
  if (typeof frames.current !== "function" || typeof frames.set !== "function") return undefined
  const readsCurrent = (): boolean => frames.current() === capture()[frameKey]
  const setsCurrent = (): boolean => {
    frames.set(one)
    return readsCurrent() && storage.getStore() === 1
  }
  return readsCurrent() && storage.run(2, () => readsCurrent() && setsCurrent()) && readsCurrent() ? frames : undefined
})()

const frameOf = (context: AsyncContext): unknown => (context as any)[frameKey!]

/**
 * Returns the current async context, or `known` if it is the same: tasks that wait in one context share one object.
 * Without frames the two cannot be compared, and each task gets its own object.
 */
export const captureAsyncContextLike = (known: AsyncContext | undefined): AsyncContext | undefined =>
  known !== undefined && frames !== undefined && frames.current() === frameOf(known) ? known : captureAsyncContext()

/** Releases a captured context. Shared ones are left to the garbage collector. */
export const releaseAsyncContext = (context: AsyncContext | undefined): void => {
  if (frameKey === undefined) context?.emitDestroy()
}

/** Returns the current frame; `undefined` if contexts have no frames. */
export const currentFrame: () => unknown = frames === undefined ? () => undefined : () => frames.current()

/** Makes a frame current again, after code that may have entered another one. */
export const restoreFrame: (frame: unknown) => void =
  frames === undefined
    ? () => {}
    : (frame) => {
        if (frames.current() !== frame) frames.set(frame)
      }

/**
 * Returns whether the current context is the given one, `undefined` for any. If so, code can run in it directly,
 * followed by `restoreFrame`.
 */
export const isCurrentContext: (context: AsyncContext | undefined, frame: unknown) => boolean =
  frames === undefined
    ? () => AsyncResource === undefined
    : (context, frame) => context === undefined || frameOf(context) === frame

/**
 * Calls `f` in a context, or in the current one. A store that `f` enters with `enterWith` affects neither the caller nor
 * code that runs in the context later.
 */
export const runIsolated = <This, A, B>(
  context: AsyncContext | undefined,
  f: (this: This, arg: A) => B,
  self: This,
  arg: A
): B => {
  const frame = currentFrame()
  if (!isCurrentContext(context, frame)) return runInCopy(context, f, self, arg)
  try {
    return f.call(self, arg)
  } finally {
    restoreFrame(frame)
  }
}

/** Like `runIsolated`, for a context that is not the current one, or that cannot be compared with it. */
export const runInCopy = <This, A, B>(
  context: AsyncContext | undefined,
  f: (this: This, arg: A) => B,
  self: This,
  arg: A
): B => {
  if (frames !== undefined) return context!.runInAsyncScope(f, self, arg)
  // Without frames, `enterWith` would change the resource itself.
  const copy =
    context === undefined
      ? captureAsyncContext()!
      : context.runInAsyncScope(captureAsyncContext as () => AsyncContext, undefined, undefined)
  try {
    return copy.runInAsyncScope(f, self, arg)
  } finally {
    copy.emitDestroy()
  }
}
