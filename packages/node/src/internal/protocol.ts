/**
 * The memory that the main thread and one worker thread share: a ring of slots, one for each posted job.
 *
 * ```text
 *   main thread                        shared memory                        worker thread
 *   ───────────                        ─────────────                        ─────────────
 *   writes job, arguments ──▶ slot[posted % SLOTS]: Queued
 *   posted + 1            ──▶ POSTED ─────────────────────── wakes ──▶ takes the next slot in order
 *                                                            ◀──────── Queued → Started, or Revoked → Skipped
 *   Queued → Revoked      ──▶ the job must not begin
 *                                                            ◀──────── result in the slot: Started → Done
 *   reads the oldest slots ◀── wakes ── SIGNALLED
 * ```
 *
 * The state of a slot is the state of its job. Both sides agree on it at every moment:
 *
 * | state   | set by | means                                                                     |
 * |---------|--------|---------------------------------------------------------------------------|
 * | Queued  | main   | posted, has not begun; the first side to change the state decides         |
 * | Started | worker | has begun; the job is never run again                                     |
 * | Revoked | main   | never begins here; the main thread may post it elsewhere                  |
 * | Skipped | worker | a revoked slot that the worker has passed, free again                     |
 * | Done    | worker | the answer is in the slot; otherwise it arrives by the port               |
 *
 * The worker takes slots, runs jobs and answers strictly in order, one at a time. So only the oldest slot without an
 * answer can be Started, and an answer that arrives by the port is for the oldest started slot.
 *
 * Small arguments and results (numbers, short strings, booleans, undefined, null) travel in the slot. All others travel
 * as one message on the port, sent before the slot is published. Messages keep the order of their slots.
 *
 * Both sides load this module, so it imports nothing heavy.
 */
import { performance } from "node:perf_hooks"
import type { Encoded } from "./errorCodec.ts"

/** Slots in a ring, a power of two: the most jobs that can be posted ahead, revoked ones included. */
export const SLOTS = 64

/** The number of posted requests. The worker sleeps on this word. */
export const POSTED = 0
/** Whether the worker sleeps, and so how a request must wake it; one of the values below. */
export const SLEEPING = 1
/** Whether the main thread was woken and has not read the answers yet. */
export const SIGNALLED = 2

/** Whether the thread must end; one of the values below. */
export const LEAVING = 3

/** Whether the thread has loaded the modules to preload, and takes jobs. */
export const READY = 4

/** The values of `SLEEPING`. */
export const Awake = 0
export const InWait = 1
export const InEventLoop = 2

/** Whether the output of the thread's jobs is written; one of the values below. */
export const OUTPUT = 5

/** The values of `OUTPUT`: all output is written; a job has run since the last check; some output is not written. */
export const Written = 0
export const Unknown = 1
export const Unwritten = 2

/** The values of `LEAVING`: the main thread asks the thread to end; the thread only writes the output of its jobs. */
export const Asked = 1
export const Writing = 2

/** The values of a slot's state. */
export const Queued = 0
export const Started = 1
export const Revoked = 2
export const Skipped = 3
export const Done = 4

/** The values of a slot's form: arguments in the slot, arguments by the port, items by the port. */
export const InSlot = 0
export const ByPort = 1
export const ItemsByPort = 2

const HEADER = 16
const STRIDE = 128
const PAYLOAD = 10

/** Returns the index into `words` of the state of the n-th request's slot. */
export const stateOf = (n: number): number => HEADER + (n & (SLOTS - 1)) * STRIDE
/** Returns the index into `words` of the job's number, which is the same for all threads. */
export const jobOf = (n: number): number => stateOf(n) + 1
/** Returns the index into `words` of the slot's form. */
export const formOf = (n: number): number => stateOf(n) + 4
/** Returns the index into `doubles` of the time at which the job began, in milliseconds of the shared clock. */
export const startOf = (n: number): number => (stateOf(n) >> 1) + 1
/** Returns the index into `doubles` of the time at which the job ended. */
export const endOf = (n: number): number => startOf(n) + 1

/** One ring, viewed as numbers of different sizes. */
export interface Ring {
  readonly words: Int32Array
  readonly doubles: Float64Array
  readonly characters: Uint16Array
}

export const makeMemory = (): SharedArrayBuffer => new SharedArrayBuffer((HEADER + SLOTS * STRIDE) * 4)

export const ringOf = (memory: SharedArrayBuffer): Ring => ({
  words: new Int32Array(memory),
  doubles: new Float64Array(memory),
  characters: new Uint16Array(memory)
})

// A value in a slot: a word with its kind (for strings also the length), a gap of one word, then its bits.
const Undefined = 0
const Null = 1
const False = 2
const True = 3
const Number = 4
const String = 5

/** Writes values into a slot. Returns `false` if they do not fit; the slot's payload is undefined then. */
export const writeValues = (ring: Ring, n: number, values: ReadonlyArray<unknown>): boolean => {
  const { length } = values
  const first = stateOf(n) + PAYLOAD
  const last = stateOf(n) + STRIDE
  let at = first + 2
  for (let i = 0; i < length; i++) {
    if (at + 4 > last) return false
    at = writeValue(ring, at, last, values[i])
    if (at < 0) return false
  }
  ring.words[first] = length
  return true
}

/** Writes one value into a slot. Returns `false` if it does not fit. */
export const writeResult = (ring: Ring, n: number, value: unknown): boolean =>
  writeValue(ring, stateOf(n) + PAYLOAD + 2, stateOf(n) + STRIDE, value) > 0

export const readValues = (ring: Ring, n: number): Array<unknown> => {
  const first = stateOf(n) + PAYLOAD
  const length = ring.words[first]!
  const values: Array<unknown> = []
  let at = first + 2
  for (let i = 0; i < length; i++) {
    values.push(readValue(ring, at))
    at += sizeAt(ring, at)
  }
  return values
}

export const readResult = (ring: Ring, n: number): unknown => readValue(ring, stateOf(n) + PAYLOAD + 2)

const writeValue = ({ characters, doubles, words }: Ring, at: number, last: number, value: unknown): number => {
  switch (typeof value) {
    case "number":
      words[at] = Number
      doubles[(at >> 1) + 1] = value
      return at + 4
    case "string": {
      const { length } = value
      const size = sizeOfString(length)
      if (at + size > last) return -1
      words[at] = String
      words[at + 1] = length
      const start = (at + 2) << 1
      for (let i = 0; i < length; i++) characters[start + i] = value.charCodeAt(i)
      return at + size
    }
    case "boolean":
      words[at] = value ? True : False
      return at + 2
    case "undefined":
      words[at] = Undefined
      return at + 2
    default:
      if (value !== null) return -1
      words[at] = Null
      return at + 2
  }
}

const readValue = ({ characters, doubles, words }: Ring, at: number): unknown => {
  switch (words[at]) {
    case Number:
      return doubles[(at >> 1) + 1]
    case String: {
      const start = (at + 2) << 1
      // The memory is reused. A string built from it is a copy.
      return globalThis.String.fromCharCode.apply(null, characters.subarray(start, start + words[at + 1]!) as never)
    }
    case True:
      return true
    case False:
      return false
    case Null:
      return null
    default:
      return undefined
  }
}

const sizeAt = ({ words }: Ring, at: number): number =>
  words[at] === Number ? 4 : words[at] === String ? sizeOfString(words[at + 1]!) : 2

// Two characters per word, rounded up to keep the next value aligned.
const sizeOfString = (length: number): number => 2 + (((length + 3) >> 2) << 1)

/** The data that a thread is started with. */
export interface Start {
  readonly memory: SharedArrayBuffer
  readonly port: unknown
  /** The longest time to spin for the next job, in milliseconds. */
  readonly spin: number
  /** The number of executors that the thread is nested in: 1, or more if a job made the executor. */
  readonly depth: number
  /** Modules to load before the first job. */
  readonly preload: ReadonlyArray<string>
}

/** A message of the main thread: arguments or items, and the job's address the first time. `null` only wakes. */
export type Request = readonly [args: ReadonlyArray<unknown>, url?: string, name?: string]

/**
 * A message of a worker: an answer, a message to log, or the reason why no thread can take jobs. `null` only wakes.
 */
export type Message =
  | Answer
  | { readonly kind: "log"; readonly text: string; readonly cause: Encoded }
  | { readonly kind: "unable"; readonly cause: Encoded }
  | null

/** An answer of a worker: a result, or the reason why there is none. */
export type Answer =
  | readonly [result: unknown]
  | { readonly kind: "threw"; readonly cause: Encoded }
  | {
      readonly kind: "notCloneable"
      readonly direction: "argument" | "result"
      readonly path: string
      readonly reason: string
    }
  | {
      readonly kind: "notFound"
      readonly reason: string
      readonly cause: Encoded | undefined
      /** Whether every thread would fail in the same way, after running the program again. */
      readonly final?: boolean
    }

/** Makes a function that returns the time in milliseconds, on a clock that all threads of the process share. */
export const makeClock = (): (() => number) => {
  // The thread may lose the processor between two readings, and would be late for its whole life. The closest of a few
  // pairs counts.
  let base = 0
  let closest = Infinity
  for (let i = 0; i < 8 && closest > closeMillis; i++) {
    const before = sharedNow()
    const own = performanceNow()
    const apart = sharedNow() - before
    if (apart < closest) {
      closest = apart
      base = before + apart / 2 - own
    }
  }
  return () => base + performanceNow()
}

/** How close two readings must be, in milliseconds, to be taken for one. */
const closeMillis = 0.01

const sharedNow = (): number => {
  const [seconds, nanoseconds] = process.hrtime()
  return seconds * 1e3 + nanoseconds / 1e6
}

// Saved before user code can replace it: with a clock that stands still, a thread would spin forever.
const performanceNow = performance.now.bind(performance)
