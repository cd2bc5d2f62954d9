/** A timer of the platform that does not keep the process alive. */

// Every platform has them, but the type library of the language does not declare them. Only Node has `unref`.
const { clearTimeout, setTimeout } = globalThis as unknown as {
  readonly setTimeout: (f: () => void, millis: number) => { readonly unref?: () => void }
  readonly clearTimeout: (timer: unknown) => void
}

/** Calls `f` after a time, and returns the function that cancels the call. */
export const callAfter = (millis: number, f: () => void): (() => void) => {
  const timer = setTimeout(f, millis)
  timer.unref?.()
  return () => clearTimeout(timer)
}
