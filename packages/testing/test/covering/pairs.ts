/**
 * A covering array: few rows in which any two levels of any two factors occur together.
 */

/** The levels of each factor. */
export type Factors = Readonly<Record<string, ReadonlyArray<string>>>

/** A level of each factor. */
export type Row<F extends Factors> = { readonly [K in keyof F]: F[K][number] }

type Partial = Record<string, string | undefined>

/** The rows, and the number of pairs that they cover: all that `isAllowed` says may occur together. */
export const coveringArray = <const F extends Factors>(
  factors: F,
  isAllowed: (row: { readonly [K in keyof F]?: F[K][number] | undefined }) => boolean
): { readonly rows: ReadonlyArray<Row<F>>; readonly pairs: number } => {
  const names = Object.keys(factors)
  const allowed: (row: Partial) => boolean = isAllowed
  const uncovered = new Set<string>()
  for (const [first, other] of pairsOf(names)) {
    for (const level of factors[first]!) {
      for (const another of factors[other]!) {
        if (allowed({ [first]: level, [other]: another })) uncovered.add(pair(first, level, other, another))
      }
    }
  }
  const pairs = uncovered.size
  const rows: Array<Row<F>> = []
  for (let seed = first(uncovered); seed !== undefined; seed = first(uncovered)) {
    const row: Partial = Object.fromEntries(seed.split("&").map((part) => part.split("=")))
    for (const name of names) row[name] ??= bestLevel(name, factors[name]!, row, names, uncovered, allowed)
    for (const [one, other] of pairsOf(names)) uncovered.delete(pair(one, row[one]!, other, row[other]!))
    rows.push(row as Row<F>)
  }
  return { rows, pairs }
}

const first = <A>(all: Iterable<A>): A | undefined => {
  for (const each of all) return each
  return undefined
}

/** The allowed level that occurs for the first time beside most of those chosen. */
const bestLevel = (
  name: string,
  levels: ReadonlyArray<string>,
  row: Partial,
  names: ReadonlyArray<string>,
  uncovered: ReadonlySet<string>,
  allowed: (row: Partial) => boolean
): string => {
  let [best, most] = ["", -1]
  for (const level of levels) {
    if (!allowed({ ...row, [name]: level })) continue
    const count = names.filter(
      (other) => row[other] !== undefined && uncovered.has(ordered(names, name, level, other, row[other]))
    )
    if (count.length > most) [best, most] = [level, count.length]
  }
  return best
}

const pairsOf = (names: ReadonlyArray<string>): ReadonlyArray<readonly [string, string]> =>
  names.flatMap((name, index) => names.slice(index + 1).map((other) => [name, other] as const))

const pair = (first: string, level: string, other: string, another: string): string =>
  `${first}=${level}&${other}=${another}`

const ordered = (names: ReadonlyArray<string>, name: string, level: string, other: string, another: string): string =>
  names.indexOf(name) < names.indexOf(other) ? pair(name, level, other, another) : pair(other, another, name, level)
