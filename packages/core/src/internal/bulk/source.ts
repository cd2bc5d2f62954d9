/** The source of a bulk's items: any iterable, iterated as by `for of` and `for await`. */
import { hasProperty } from "effect/Predicate"
import { refuseType, show } from "../arguments.ts"

/** An opened source. */
export type Source =
  | { readonly isAsync: false; readonly iterator: Iterator<unknown> }
  | { readonly isAsync: true; readonly iterator: AsyncIterator<unknown> }

/** Iterates an array like its own iterator. It is also the result of each step, so an item allocates nothing. */
class ArrayIterator implements Iterator<unknown> {
  private readonly items: ReadonlyArray<unknown>
  private at = 0
  done = false
  value: unknown = undefined

  constructor(items: ReadonlyArray<unknown>) {
    this.items = items
  }

  next(): this {
    if (this.at < this.items.length) this.value = this.items[this.at++]
    else this.done = true
    return this
  }

  get isAtEnd(): boolean {
    return this.at >= this.items.length
  }
}

const isIteratedAsArray = (items: unknown): items is ReadonlyArray<unknown> =>
  Array.isArray(items) && items[Symbol.iterator] === Array.prototype[Symbol.iterator]

/** Opens an iterable. Throws if the value is not one. */
export const sourceOf = (where: string, items: Iterable<unknown> | AsyncIterable<unknown>): Source => {
  if (isIteratedAsArray(items)) return { isAsync: false, iterator: new ArrayIterator(items) }
  if (hasProperty(items, Symbol.iterator) || typeof items === "string") {
    return { isAsync: false, iterator: checkIterator(where, items[Symbol.iterator]()) }
  }
  if (hasProperty(items, Symbol.asyncIterator)) {
    return { isAsync: true, iterator: checkIterator(where, items[Symbol.asyncIterator]()) }
  }
  return refuseType(where, "items", "an Iterable or an AsyncIterable", items)
}

/** Returns the number of items, if they are an array. */
export const lengthOf = (items: unknown): number | undefined => (isIteratedAsArray(items) ? items.length : undefined)

/** Returns the number of items, if it is known without iterating. May run a getter. A wrong answer counts as none. */
export const sizeOf = (items: unknown): number | undefined => {
  // A string's length does not count its code points.
  if (typeof items !== "object" || items === null) return undefined
  const { length, size = length } = items as { readonly size?: unknown; readonly length?: unknown }
  return Number.isSafeInteger(size) && (size as number) >= 0 ? (size as number) : undefined
}

const isObject = (value: unknown): boolean =>
  (typeof value === "object" && value !== null) || typeof value === "function"

const checkIterator = <A>(where: string, iterator: A): A =>
  isObject(iterator) ? iterator : refuseType(where, "the items' iterator", "an object", iterator)

/** Checks what `next` has returned, or what its promise has resolved to. */
export const checkResult = (where: string, result: IteratorResult<unknown>): IteratorResult<unknown> => {
  if (isObject(result)) return result
  throw new TypeError(`${where}: the items' next() must return an object, got ${show(result)}`)
}

/** Returns whether a source is an array, which runs no user code unless it is a proxy or has getters. */
export const isPlainArray = ({ iterator }: Source): boolean => iterator instanceof ArrayIterator

/** Returns whether an array has no item left, `false` for other sources. An array may be a proxy. */
export const isAtEnd = ({ iterator }: Source): boolean => iterator instanceof ArrayIterator && iterator.isAtEnd
