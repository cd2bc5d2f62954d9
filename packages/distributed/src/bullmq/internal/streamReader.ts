/**
 * Reads a Redis stream from an ID on, and passes on every entry once, in order, as long as the stream keeps it.
 *
 * BullMQ's `QueueEvents` does the same with two events for each entry, and parses the result of each job of other
 * processes. This reader costs a few microseconds for each of them: the owner looks at the two fields it needs.
 */
import type { Redis } from "ioredis"
import { whenSettled } from "./promises.ts"

/** An entry's fields: names and values by turns. */
export type Fields = ReadonlyArray<string>

/** Entries of one read. More of them would keep the process from its other work. */
const batch = 1000
const block = 5000 // ms that the server holds a read without entries
const grace = 5000 // ms without an answer after which the connection counts as dead

export class StreamReader {
  private readonly client: Redis
  private readonly key: string
  private readonly onEntry: (fields: Fields) => void
  private readonly watchers = new Set<() => void>()
  private ended = false
  private again: ReturnType<typeof setTimeout> | undefined
  /** The ID of the last entry that was passed on. */
  cursor: string

  constructor(client: Redis, key: string, cursor: string, onEntry: (fields: Fields) => void) {
    this.client = client
    this.key = key
    this.cursor = cursor
    this.onEntry = onEntry
    this.read()
  }

  private read(): void {
    if (this.ended) return
    // A connection that died silently never answers. A new one asks again, from the same entry.
    const dead = setTimeout(() => this.client.disconnect(true), block + grace)
    dead.unref()
    whenSettled(
      this.client.xread("COUNT", batch, "BLOCK", block, "STREAMS", this.key, this.cursor),
      (reply) => {
        clearTimeout(dead)
        const entries = reply?.[0]?.[1] ?? []
        for (const [id, fields] of entries) {
          if (this.ended) return
          this.cursor = id
          this.onEntry(fields)
        }
        for (const watcher of this.watchers) watcher()
        this.read()
      },
      () => {
        clearTimeout(dead)
        // The connection is down, or the key is no stream. ioredis connects again by itself.
        if (!this.ended) this.again = setTimeout(() => this.read(), 100)
      }
    )
  }

  /** Calls back when all entries up to an ID have been passed on, or after some reads. */
  whenPassed(id: string, callback: () => void): void {
    if (isAtLeast(this.cursor, id)) return callback()
    let reads = 0
    const watcher = () => {
      if (++reads < 3 && !isAtLeast(this.cursor, id)) return
      this.watchers.delete(watcher)
      callback()
    }
    this.watchers.add(watcher)
  }

  end(): void {
    this.ended = true
    clearTimeout(this.again)
    this.watchers.clear()
  }
}

/** Compares two IDs of a stream: milliseconds, a dash, a sequence number. */
export const isAtLeast = (a: string, b: string): boolean => {
  const [aMillis = 0, aSequence = 0] = a.split("-", 2).map(Number)
  const [bMillis = 0, bSequence = 0] = b.split("-", 2).map(Number)
  return aMillis > bMillis || (aMillis === bMillis && aSequence >= bSequence)
}
