/**
 * The end of the stack. A stack overflow halfway through an operation leaves waiters without an answer: no code can run to
 * finish the operation. So operations that are rare make sure that they have enough of the stack before they change
 * anything. A submit does not: its overflows are mended afterwards.
 */

// 4 KB: twice what an operation needs with all options, without the user code that it calls. More costs more time.
const words: ReadonlyArray<undefined> = Array.from({ length: 512 }, () => undefined)

const take = (): void => {}

/** Throws the `RangeError` of a stack overflow if the stack is about to end. */
export const requireStack = (): void => {
  // A call with many arguments needs as much of the stack as a deep one, and costs less.
  Reflect.apply(take, undefined, words)
}

/** Returns whether `requireStack` would not throw. */
export const hasStack = (): boolean => {
  try {
    requireStack()
    return true
  } catch {
    return false
  }
}
