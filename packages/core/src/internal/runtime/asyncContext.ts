/**
 * Node's async context (what `AsyncLocalStorage` reads), captured for a task that starts in another fiber's step (I7).
 *
 * Reached as Effect itself does, without importing Node. On other platforms there is no async context, and every function
 * here does nothing but its work.
 *
 * From Node 24 on a context is one frame, which can be read and set. Older versions copy each store into each resource,
 * so that a task that enters another context changes the resource it runs in: there each use needs a copy of its own.
 */

/** Node's `AsyncResource`, as far as it is used here. */
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

/** The current async context; `undefined` where the platform has none. */
export const captureAsyncContext = (): AsyncContext | undefined =>
  AsyncResource === undefined ? undefined : new AsyncResource("TaskPool.task")

/** A value that a function's async context carries. Where the platform has no async context, it carries none. */
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

/** The class of the frames, if it tells the current one and takes another. */
const frames: { current(): unknown; set(frame: unknown): void } | undefined = (() => {
  if (hooks === undefined || frameKey === undefined) return undefined
  const storage = new hooks.AsyncLocalStorage()
  const capture = (): any => captureAsyncContext()
  const one = storage.run(1, () => capture()[frameKey])
  const { constructor: frames } = one
  if (typeof frames.current !== "function" || typeof frames.set !== "function") return undefined
  const tells = (): boolean => frames.current() === capture()[frameKey]
  const takes = (): boolean => {
    frames.set(one)
    return tells() && storage.getStore() === 1
  }
  return tells() && storage.run(2, () => tells() && takes()) && tells() ? frames : undefined
})()

const frameOf = (context: AsyncContext): unknown => (context as any)[frameKey!]

/**
 * The current async context: `known`, if that is the same. Many tasks that wait in one context then share one object.
 * Without frames the two cannot be compared, and each task gets its own.
 */
export const captureAsyncContextLike = (known: AsyncContext | undefined): AsyncContext | undefined =>
  known !== undefined && frames !== undefined && frames.current() === frameOf(known) ? known : captureAsyncContext()

/** Releases a captured context. Shared ones are left to the garbage collector. */
export const releaseAsyncContext = (context: AsyncContext | undefined): void => {
  if (frameKey === undefined) context?.emitDestroy()
}

/** The frame that is current; `undefined` where contexts have no frames. */
export const currentFrame: () => unknown = frames === undefined ? () => undefined : () => frames.current()

/** Makes a frame the current one again, after code that may have entered another. */
export const restoreFrame: (frame: unknown) => void =
  frames === undefined
    ? () => {}
    : (frame) => {
        if (frames.current() !== frame) frames.set(frame)
      }

/** Whether code may run in a context (`undefined`: in any) as things are, if `restoreFrame` follows it. */
export const isEntered: (context: AsyncContext | undefined, frame: unknown) => boolean =
  frames === undefined
    ? () => AsyncResource === undefined
    : (context, frame) => context === undefined || frameOf(context) === frame

/**
 * Calls `f` in a context, or in the current one. What `f` enters with `enterWith` reaches neither the caller, nor the
 * context, nor whatever runs in it next.
 */
export const runIsolated = <This, A, B>(
  context: AsyncContext | undefined,
  f: (this: This, arg: A) => B,
  self: This,
  arg: A
): B => {
  const frame = currentFrame()
  if (!isEntered(context, frame)) return runInCopy(context, f, self, arg)
  try {
    return f.call(self, arg)
  } finally {
    restoreFrame(frame)
  }
}

/** As `runIsolated`, for a context that is not the current one, or that cannot be compared with it. */
export const runInCopy = <This, A, B>(
  context: AsyncContext | undefined,
  f: (this: This, arg: A) => B,
  self: This,
  arg: A
): B => {
  if (frames !== undefined) return context!.runInAsyncScope(f, self, arg)
  // Without frames the resource itself would keep what is entered in it.
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
