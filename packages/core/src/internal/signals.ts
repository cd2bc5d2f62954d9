/** Abort signals: their types, and calls when one aborts. */

/** The platform's `AbortSignal`. Its type is part of the types of Node and of the DOM, which the core does not need. */
export type Signal = typeof globalThis extends { readonly AbortSignal: { readonly prototype: infer A } }
  ? A
  : {
      readonly aborted: boolean
      readonly reason: unknown
      addEventListener(type: "abort", listener: () => void, options: { readonly once: boolean }): void
      removeEventListener(type: "abort", listener: () => void): void
    }

export interface Controller {
  readonly signal: Signal
  abort(reason: unknown): void
}

/** Calls `f` when the signal aborts, or now if it has aborted. Returns a function that cancels the call. */
export const onAbort = (signal: Signal | undefined, f: () => void): (() => void) => {
  if (signal === undefined) return nothing
  if (signal.aborted) {
    f()
    return nothing
  }
  const watch = watches.get(signal) ?? new Watch(signal)
  watch.calls.add(f)
  return () => watch.forget(f)
}

const nothing = (): void => {}

/**
 * The calls to make when a signal aborts. A signal has one listener, however many tasks use it: Node warns about more
 * than ten, and compares each new listener with all others.
 */
class Watch {
  readonly calls = new Set<() => void>()
  private readonly signal: Signal

  constructor(signal: Signal) {
    this.signal = signal
    // First, because it is user code: a watch without a listener would serve all later tasks of the signal.
    signal.addEventListener("abort", this.abort, { once: true })
    watches.set(signal, this)
  }

  forget(call: () => void): void {
    if (!this.calls.delete(call) || this.calls.size > 0) return
    watches.delete(this.signal)
    this.signal.removeEventListener("abort", this.abort)
  }

  private readonly abort = (): void => {
    // The newest first: otherwise a worker that an old task frees would start a task that is aborted next.
    for (const call of Array.from(this.calls).toReversed()) call()
  }
}

const watches = new WeakMap<Signal, Watch>()
