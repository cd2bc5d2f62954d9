/**
 * Random numbers that come out the same in every run, from [0, 1): a Weyl sequence with its bits mixed.
 */
export const makeRandom = (seed: number) => (): number => {
  seed = (seed + 0x9e3779b9) | 0
  let bits = Math.imul(seed ^ (seed >>> 16), 0x21f0aaad)
  bits = Math.imul(bits ^ (bits >>> 15), 0x735a2d97)
  return ((bits ^ (bits >>> 15)) >>> 0) / 2 ** 32
}

/** The items in a random order. */
export const shuffle = <A>(items: ReadonlyArray<A>, random: () => number): Array<A> => {
  const result = [...items]
  for (let i = result.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1))
    const item = result[i]!
    result[i] = result[j]!
    result[j] = item
  }
  return result
}
