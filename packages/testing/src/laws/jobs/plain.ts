/** Jobs of the executor's laws; each thread loads this module. */
import { Job } from "@aio-task-pool/core/Job"

export const add = Job.define(import.meta, "add", (a: number, b: number) => a + b)
export const addLater = Job.define(import.meta, "addLater", async (a: number, b: number) => a + b)
export const greet = Job.define(import.meta, "greet", (name: string, greeting = "Hello") => `${greeting}, ${name}`)
export const identity = Job.define(import.meta, "identity", (value: any): any => value)
export const double = Job.define(import.meta, "double", (n: number) => n * 2)
export const exportedAs = Job.define(import.meta, "anotherName", () => "found")

/** Fills the bytes, and returns their first element from before. */
export const fill = Job.define(import.meta, "fill", (bytes: Uint8Array, value: number) => {
  const [before] = bytes
  bytes.fill(value)
  return before
})

/** Counts its runs in shared memory. */
export const count = Job.define(import.meta, "count", (cells: Int32Array, index: number) => {
  Atomics.add(cells, index, 1)
})

/** Returns bytes that it transfers. */
export const produce = Job.define(import.meta, "produce", (size: number) => {
  const bytes = new Uint8Array(size).fill(7)
  return Job.transfer(bytes, [bytes.buffer])
})

class TooSmall extends RangeError {
  override readonly name = "TooSmall"
  readonly code = "E_TOO_SMALL"
  readonly limit: number
  constructor(limit: number, options: ErrorOptions) {
    super(`needs at least ${limit}`, options)
    this.limit = limit
  }
}

export const fail = Job.define(import.meta, "fail", (limit: number): number => {
  throw new TooSmall(limit, { cause: new TypeError("no number", { cause: "a string" }) })
})
export const failLater = Job.define(import.meta, "failLater", async (message: string): Promise<number> => {
  throw new SyntaxError(message)
})
export const failWithMany = Job.define(import.meta, "failWithMany", (): number => {
  throw new AggregateError([new RangeError("one"), new TooSmall(2, {})], "many")
})
export const failInCircle = Job.define(import.meta, "failInCircle", (): number => {
  const error = new Error("around")
  error.cause = error
  throw error
})
export const failWith = Job.define(import.meta, "failWith", (what: string): number => {
  // oxlint-disable-next-line typescript/only-throw-error
  throw what === "symbol" ? Symbol("thrown") : what === "function" ? () => 1 : what === "undefined" ? undefined : what
})

/** Fails for one of the items it is mapped over. */
export const failAt = Job.define(import.meta, "failAt", (n: number) => {
  if (n === 13) throw new Error("thirteen")
  return n
})

/** Values that run code when they are looked at, which throws, and how their failure shows. */
export const hostile = {
  getter: () => ({
    list: [
      {
        get x(): never {
          throw new Error("no x")
        }
      }
    ]
  }),
  badGetter: () => ({
    get x(): never {
      throw revoked()
    }
  }),
  thenable: () => ({
    // oxlint-disable-next-line unicorn/no-thenable
    get then(): never {
      throw new Error("no then")
    }
  }),
  tag: () => ({
    get [Symbol.toStringTag](): never {
      throw new Error("no tag")
    },
    f: () => 1
  }),
  revoked: () => revoked(),
  array: () => revoked([]),
  proxy: () => trap(),
  nested: () => [[new Map([["key", trap()]])]],
  keys: () =>
    new Map<unknown, unknown>([
      [Symbol("key"), 1],
      [Object.create(null), () => 1]
    ]),
  prototype: () =>
    new Proxy(
      {},
      {
        getPrototypeOf() {
          throw new Error("no prototype")
        }
      }
    )
} satisfies Record<string, () => unknown>

const revoked = (target: object = {}): object => {
  const { proxy, revoke } = Proxy.revocable(target, {})
  revoke()
  return proxy
}

const trap = (): object => {
  const no = (): never => {
    throw new Error("trapped")
  }
  return new Proxy({ a: 1 }, { get: no, has: no, ownKeys: no, getOwnPropertyDescriptor: no, getPrototypeOf: no })
}

export const giveHostile = Job.define(import.meta, "giveHostile", (kind: string): any =>
  hostile[kind as keyof typeof hostile]()
)
export const giveHostileLater = Job.define(import.meta, "giveHostileLater", (kind: string): Promise<any> =>
  Promise.resolve([hostile[kind as keyof typeof hostile]()])
)
export const throwHostile = Job.define(import.meta, "throwHostile", (kind: string): number => {
  // oxlint-disable-next-line typescript/only-throw-error
  throw hostile[kind as keyof typeof hostile]()
})

/** Throws an error of which some properties throw when they are read. */
export const failHostile = Job.define(import.meta, "failHostile", (): number => {
  const cause = Object.defineProperty(new TypeError("inner"), "bad", {
    enumerable: true,
    get: () => {
      throw new Error("no bad")
    }
  })
  const error = Object.assign(new RangeError("outer", { cause }), { first: 1, again: cause, last: [cause] })
  Object.defineProperty(error, "toString", { value: () => trap() })
  throw Object.defineProperty(error, "middle", { enumerable: true, get: () => trap() })
})

export const giveFunction = Job.define(import.meta, "giveFunction", (): any => ({ list: [1, { onEnd: () => 1 }] }))

export function* generate(): Generator<number> {
  yield 1
}
export async function* generateLater(): AsyncGenerator<number> {
  yield 1
}
export const notAFunction = 42
