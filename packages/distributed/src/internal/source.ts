/** The source of a `forEach`: any iterable, as a stream that pulls one item at a time and ends its iterator. */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { handlePromise } from "./arguments.ts"

/** The items as a stream that pulls one at a time, and that ends the source when it ends itself. */
export const sourceOf = <A>(where: string, items: Iterable<A> | AsyncIterable<A>): Stream.Stream<A> => {
  if (typeof items === "string" || (typeof items === "object" && items !== null)) {
    // A string is an Iterable too, and has no operator `in`.
    if (typeof items !== "string" && Symbol.asyncIterator in items) {
      return pulledFrom(
        () => new PulledAsync(items[Symbol.asyncIterator]()),
        (pulled) => Stream.orDie(Stream.fromAsyncIterable({ [Symbol.asyncIterator]: () => pulled }, (error) => error))
      )
    }
    if (typeof items === "string" || Symbol.iterator in items) {
      return pulledFrom(
        () => new Pulled(items[Symbol.iterator]()),
        (pulled) => Stream.fromIterable({ [Symbol.iterator]: () => pulled }, { chunkSize: 1 })
      )
    }
  }
  handlePromise(items)
  throw new TypeError(`${where}: items must be an Iterable or an AsyncIterable`)
}

/** Begins the iteration and adds its end in one step: Effect's own streams may be interrupted in between. */
const pulledFrom = <P extends { readonly end: Effect.Effect<void> }, A>(
  begin: () => P,
  stream: (pulled: P) => Stream.Stream<A>
): Stream.Stream<A> =>
  Stream.unwrap(
    Effect.map(
      Effect.acquireRelease(Effect.sync(begin), ({ end }) => end),
      stream
    )
  )

/** An iterator that knows whether it must be ended: not after it has ended or thrown by itself. */
class Pulled<A> implements Iterator<A> {
  private readonly iterator: Iterator<A>
  private isOver = false

  constructor(iterator: Iterator<A>) {
    this.iterator = iterator
  }

  next(): IteratorResult<A> {
    this.isOver = true
    const result = this.iterator.next()
    this.isOver = result.done === true
    return result
  }

  readonly end: Effect.Effect<void> = Effect.sync(() => {
    if (!this.isOver) this.iterator.return?.()
  })
}

/** The same for an asynchronous iterator. */
class PulledAsync<A> implements AsyncIterator<A> {
  private readonly iterator: AsyncIterator<A>
  private state: "Idle" | "Pulling" | "Over" = "Idle"

  constructor(iterator: AsyncIterator<A>) {
    this.iterator = iterator
  }

  async next(): Promise<IteratorResult<A>> {
    this.state = "Pulling"
    try {
      const result = await this.iterator.next()
      this.state = result.done === true ? "Over" : "Idle"
      return result
    } finally {
      // A plain `try`, because what the source throws belongs to the caller.
      if (this.state === "Pulling") this.state = "Over"
    }
  }

  readonly end: Effect.Effect<void> = Effect.suspend(() => {
    const { iterator, state } = this
    if (state === "Over") return Effect.void
    const ended = new Promise((resolve) => resolve(iterator.return?.()))
    // An async generator answers `return` after its pending `next`, which may never answer.
    if (state === "Pulling") return Effect.sync(() => void handlePromise(ended))
    return Effect.promise(() => ended)
  })
}
