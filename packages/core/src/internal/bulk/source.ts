/** Where the items of a bulk come from: any iterable, opened and walked as `for of` and `for await` walk it. */
import { hasProperty } from "effect/Predicate"
import { describe } from "../pool/task.ts"

/** An opened source. */
export type Source =
  | { readonly isAsync: false; readonly iterator: Iterator<unknown> }
  | { readonly isAsync: true; readonly iterator: AsyncIterator<unknown> }

/** Walks an array as its own iterator does, and is itself the result of each step: nothing is allocated for an item. */
class ArrayWalk implements Iterator<unknown> {
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

const walksAsArray = (items: unknown): items is ReadonlyArray<unknown> =>
  Array.isArray(items) && items[Symbol.iterator] === Array.prototype[Symbol.iterator]

/** Opens an iterable; throws if it is none. */
export const sourceOf = (where: string, items: Iterable<unknown> | AsyncIterable<unknown>): Source => {
  if (walksAsArray(items)) return { isAsync: false, iterator: new ArrayWalk(items) }
  if (hasProperty(items, Symbol.iterator) || typeof items === "string") {
    return { isAsync: false, iterator: checkIterator(where, items[Symbol.iterator]()) }
  }
  if (hasProperty(items, Symbol.asyncIterator)) {
    return { isAsync: true, iterator: checkIterator(where, items[Symbol.asyncIterator]()) }
  }
  throw new TypeError(`${where}: items must be an Iterable or an AsyncIterable, got ${describe(items)}`)
}

const isObject = (value: unknown): boolean =>
  (typeof value === "object" && value !== null) || typeof value === "function"

const checkIterator = <A>(where: string, iterator: A): A => {
  if (isObject(iterator)) return iterator
  throw new TypeError(`${where}: the items' iterator must be an object, got ${describe(iterator)}`)
}

/** What `next` has returned, or what its promise has resolved to. */
export const checkResult = (where: string, result: IteratorResult<unknown>): IteratorResult<unknown> => {
  if (isObject(result)) return result
  throw new TypeError(`${where}: the items' next() must return an object, got ${describe(result)}`)
}

/** Whether a source is an array, which runs no code of its own unless it is a proxy or has getters. */
export const isPlainArray = ({ iterator }: Source): boolean => iterator instanceof ArrayWalk

/** Whether a source knows, without being asked for an item, that it has none left. Runs code of the source. */
export const isAtEnd = ({ iterator }: Source): boolean => iterator instanceof ArrayWalk && iterator.isAtEnd
