/** A module that ends the thread that loads it. */
process.exit(7)
export const never = (): void => undefined
