/** A module that throws when it is loaded. */
export const never = (): void => undefined

const { hours } = JSON.parse("{}") as { readonly hours?: number }
if (hours === undefined) throw new RangeError("broken at load")
