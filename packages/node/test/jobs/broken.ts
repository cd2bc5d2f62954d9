/** A module that throws when it is loaded. */
throw new RangeError("broken at load")
export const never = (): void => undefined
