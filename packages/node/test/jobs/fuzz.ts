/** The jobs of the fuzz test: each counts its run in shared memory before it does anything else. */
import { Job } from "@aio-task-pool/core/Job"

const spin = (milliseconds: number): void => {
  const end = performance.now() + milliseconds
  while (performance.now() < end);
}

export const quick = Job.define(import.meta, "quick", (cells: Int32Array, i: number) => {
  Atomics.add(cells, i, 1)
  return i
})
export const slow = Job.define(import.meta, "slow", (cells: Int32Array, i: number, milliseconds: number) => {
  Atomics.add(cells, i, 1)
  spin(milliseconds)
  return i
})
export const later = Job.define(import.meta, "later", async (cells: Int32Array, i: number) => {
  Atomics.add(cells, i, 1)
  await Promise.resolve()
  return i
})
export const large = Job.define(import.meta, "large", (cells: Int32Array, i: number) => {
  Atomics.add(cells, i, 1)
  return { i, text: "x".repeat(5000) }
})
export const throwing = Job.define(import.meta, "throwing", (cells: Int32Array, i: number): number => {
  Atomics.add(cells, i, 1)
  throw new Error(`${i}`)
})
export const uncloneable = Job.define(import.meta, "uncloneable", (cells: Int32Array, i: number): any => {
  Atomics.add(cells, i, 1)
  return () => i
})
export const exiting = Job.define(import.meta, "exiting", (cells: Int32Array, i: number): number => {
  Atomics.add(cells, i, 1)
  process.exit(1)
})
export const rejecting = Job.define(import.meta, "rejecting", (cells: Int32Array, i: number): number => {
  Atomics.add(cells, i, 1)
  void Promise.reject(new Error(`${i}`))
  return i
})

export const quickItem = Job.define(import.meta, "quickItem", ({ cells, i }: { cells: Int32Array; i: number }) => {
  Atomics.add(cells, i, 1)
  return i
})

const throwing_ = (i: number) => (): never => {
  throw new Error(`${i}`)
}
const revoked = (target: object): object => {
  const { proxy, revoke } = Proxy.revocable(target, {})
  revoke()
  return proxy
}

/** Values that cannot be copied, and that throw when they are looked at in one way or another. */
export const hostile: ReadonlyArray<(i: number) => unknown> = [
  () => () => 1,
  () => Symbol("hostile"),
  (i) => ({
    get x() {
      return throwing_(i)()
    }
  }),
  () => ({
    get x() {
      throw revoked({})
    }
  }),
  (i) => ({ list: [1, { deep: new Proxy({}, { ownKeys: throwing_(i) }) }] }),
  () => revoked({}),
  () => revoked([]),
  (i) => new Proxy([1], { get: throwing_(i), has: throwing_(i), getPrototypeOf: throwing_(i) }),
  () => new Map<unknown, unknown>([[Object.create(null), () => 1]]),
  (i) => new Map<unknown, unknown>([[{ toString: throwing_(i) }, Symbol("value")]]),
  (i) => Object.defineProperty({ f: () => 1 }, Symbol.toStringTag, { get: throwing_(i) }),
  () => new WeakMap(),
  () =>
    (function* () {
      yield 1
    })()
]

export const hostileResult = Job.define(
  import.meta,
  "hostileResult",
  (cells: Int32Array, i: number, which: number): any => {
    Atomics.add(cells, i, 1)
    // Inside of an array: the job's own result may be asked for its `then`, which is the job's failure.
    return [hostile[which]!(i)]
  }
)
export const hostileThrow = Job.define(
  import.meta,
  "hostileThrow",
  (cells: Int32Array, i: number, which: number): number => {
    Atomics.add(cells, i, 1)
    // oxlint-disable-next-line typescript/only-throw-error
    throw hostile[which]!(i)
  }
)
/** Throws an error whose causes go round in a circle and of which some properties throw. */
export const hostileError = Job.define(import.meta, "hostileError", (cells: Int32Array, i: number): number => {
  Atomics.add(cells, i, 1)
  const inner = new AggregateError([new Error("one")], "inner")
  const error = Object.assign(new RangeError(`${i}`, { cause: inner }), { first: inner, f: () => 1 })
  inner.cause = error
  Object.defineProperty(inner, "bad", { enumerable: true, get: throwing_(i) })
  throw Object.defineProperties(error, {
    name: { get: throwing_(i) },
    worse: { enumerable: true, get: () => revoked({}) }
  })
})

// The ones above share their memory as an argument, which takes the port; these stay in their slots.
let cells: Int32Array
export const give = Job.define(import.meta, "give", (shared: Int32Array) => {
  cells = shared
})
export const inSlot = Job.define(import.meta, "inSlot", (i: number) => {
  // A thread that was started since has not been given the memory.
  if (cells !== undefined) Atomics.add(cells, i, 1)
  return i
})
export const varying = Job.define(import.meta, "varying", (i: number, milliseconds: number) => {
  if (cells !== undefined) Atomics.add(cells, i, 1)
  spin(milliseconds)
  return i
})
