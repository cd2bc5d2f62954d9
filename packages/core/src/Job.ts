/**
 * Declares jobs: named blocking functions that an `Executor` can run on another thread.
 *
 * A job is sent as the address of its module and its exported name, never as source text. So closures, imports and
 * types mean the same on the other thread. This module imports nothing, because every thread loads the modules of jobs,
 * and pays for what they import.
 *
 * @since 0.1.0
 */

/**
 * A named blocking function: the address of its module and its exported name.
 *
 * @category models
 * @since 0.1.0
 */
export interface Job<in out Args extends ReadonlyArray<any>, out A> {
  /** The address of the module, an absolute URL. */
  readonly url: string
  /** The name of the function in that module. */
  readonly name: string
  /** The function itself, if the calling thread has loaded it. */
  readonly fn: ((...args: Args) => A) | undefined
}

/**
 * The constructors of jobs.
 *
 * Guide: docs/guide/blocking-work.md
 *
 * @category constructors
 * @since 0.1.0
 */
export const Job = {
  /**
   * Declares an exported function of this module as a job.
   *
   * **Details**
   *
   * The result can also be called as a function. `name` is the exported name. The function may be async: its thread
   * waits for the promise, and runs no other job meanwhile. A CommonJS module, which has no `import.meta`, passes
   * `{ url: pathToFileURL(__filename).href }`.
   *
   * Throws `TypeError` if `name` is not a string, if `fn` is not a function or a generator function, whose result cannot
   * leave its thread, or if `meta` has no `url`. Throws `RangeError` if `url` is not absolute.
   *
   * **Gotchas**
   *
   * Threads load the whole module, including the server, database or test framework that it imports. So put jobs in a
   * separate module. With a job in the program's own file, each thread would run the program again. The job fails with
   * `TaskNotFound` as soon as the program makes an executor there. A program guarded by `if (import.meta.main)` may
   * define jobs.
   *
   * **Example** (A job is still a function)
   *
   * ```ts
   * import { Job } from "@aio-task-pool/core/Job"
   *
   * const add = Job.define(import.meta, "add", (a: number, b: number) => a + b)
   *
   * add(1, 2) // => 3
   * add.name // => "add"
   * ```
   */
  define<Args extends ReadonlyArray<any>, A>(
    meta: { readonly url: string },
    name: string,
    fn: (...args: Args) => A & (A extends AnyGenerator ? "a generator cannot leave its thread" : unknown)
  ): Job<Args, A> & ((...args: Args) => A) {
    if (typeof name !== "string") throw new TypeError(`Job.define: name must be a string, got ${typeof name}`)
    if (typeof fn !== "function") throw new TypeError(`Job.define: ${name} must be a function, got ${typeof fn}`)
    if (/Generator/.test(Object.prototype.toString.call(fn))) {
      throw new TypeError(`Job.define: ${name} must not be a generator function, whose result cannot leave its thread`)
    }
    const url = checkAddress("Job.define", "meta.url", meta?.url)
    const job = (...args: Args): A => fn(...args)
    Object.defineProperty(job, "name", { value: name })
    return Object.assign(job, { url, fn })
  },

  /**
   * Describes the exported functions of a module as jobs, without loading it in the calling thread.
   *
   * **When to use**
   *
   * Use it for modules that the main thread should not load, or that define no jobs, such as Node's built-ins.
   *
   * **Details**
   *
   * `url` is an absolute URL: `new URL("./img.ts", import.meta.url)`, `import.meta.resolve("some-package")`, or a name
   * like `"node:zlib"`. The type omits exports that are not functions. The executor looks for a function among the
   * exports of the module, then among the properties of its default export, which holds what a CommonJS module exports.
   *
   * Throws `TypeError` if `url` is neither a string nor a URL, `RangeError` if it is not absolute.
   *
   * **Example** (Compressing on another thread)
   *
   * ```ts
   * import { Executor, Job } from "@aio-task-pool/core"
   * import { NodeExecutor } from "@aio-task-pool/node"
   * import { Effect } from "effect"
   *
   * const zlib = Job.module<typeof import("node:zlib")>("node:zlib")
   *
   * const program = Effect.map(Executor.run(zlib.crc32, ["hello"]), (crc) => crc.toString(16))
   *
   * await Effect.runPromise(Effect.provide(program, NodeExecutor.layer({ threads: 1, spare: 0 }))) // => "3610a686"
   * ```
   */
  module<M extends object>(url: string | { readonly href: string }): JobsOf<M> {
    const jobs = new Map<string, Job<any, any>>()
    const href = checkAddress("Job.module", "url", url)
    return new Proxy(Object.freeze({}), {
      get: (_, name) => {
        // `await` and inspection read these names, which no caller means as a job.
        if (typeof name === "symbol" || name === "then") return undefined
        let job = jobs.get(name)
        if (job === undefined) jobs.set(name, (job = { url: href, name, fn: undefined }))
        return job
      }
    }) as JobsOf<M>
  },

  /**
   * Marks objects (array buffers, message ports) that a job's result moves instead of copies, and returns `value`.
   *
   * **Details**
   *
   * Call it inside a job and return its result. It has no effect in the main thread or with `Executor.layerInline`.
   *
   * **Example** (Returning a megabyte without a copy)
   *
   * ```ts
   * import { Job } from "@aio-task-pool/core/Job"
   *
   * const zeros = Job.define(import.meta, "zeros", (size: number) => {
   *   const bytes = new Uint8Array(size)
   *   return Job.transfer(bytes, [bytes.buffer])
   * })
   *
   * zeros(3).length // => 3
   * ```
   */
  transfer<A extends object>(value: A, objects: ReadonlyArray<object>): A {
    transfers().set(value, objects)
    return value
  }
}

/**
 * The jobs of a module: one for each exported function.
 *
 * @category models
 * @since 0.1.0
 */
export type JobsOf<M> = {
  readonly [K in keyof M as M[K] extends (...args: any) => any ? K : never]: M[K] extends (
    ...args: infer Args extends ReadonlyArray<any>
  ) => infer A
    ? Job<Args, A>
    : never
}

/**
 * `T` if structured clone can copy it, as far as types show. Functions, symbols, promises and weak collections become
 * `never`, also as properties of objects and elements of arrays.
 *
 * **Gotchas**
 *
 * A class instance whose type has methods is rejected too: it would arrive as a plain object without them.
 *
 * @category models
 * @since 0.1.0
 */
export type Cloneable<T> = 0 extends 1 & T
  ? T
  : unknown extends T
    ? T
    : T extends Json
      ? T
      : T extends ((...args: any) => any) | symbol | PromiseLike<any>
        ? never
        : T extends Primitive | Platform
          ? T
          : T extends WeakMap<any, any> | WeakSet<any> | WeakRef<any>
            ? never
            : { [K in keyof T]: Cloneable<T[K]> }

type Primitive = string | number | bigint | boolean | null | undefined

// Checked as a whole: a type of JSON is recursive, and the compiler gives up on mapping it.
type Json = Primitive | ReadonlyArray<Json> | { readonly [key: string]: Json }

// Types that structured clone can copy. Those of the platform are recognized by their members: ports, blobs, files,
// streams, then keys, certificates, block lists, histograms, and the memory of WebAssembly.
type Platform =
  | ArrayBufferLike
  | ArrayBufferView
  | Date
  | RegExp
  | Error
  | ReadonlyMap<any, any>
  | ReadonlySet<any>
  | { readonly postMessage: unknown }
  | { readonly arrayBuffer: unknown }
  | { readonly getReader: unknown }
  | { readonly getWriter: unknown }
  | { readonly readableWebStream: unknown }
  | { readonly type: "secret" | "public" | "private"; readonly export: unknown }
  | { readonly publicKey: unknown; readonly fingerprint256: string }
  | { readonly addSubnet: unknown; readonly check: unknown }
  | { readonly percentiles: unknown; readonly exceeds: unknown }
  | { readonly buffer: ArrayBufferLike; readonly grow: unknown }

type AnyGenerator = Generator | AsyncGenerator

/**
 * Returns a module's address as a string, given as a string or an object with `href`.
 *
 * **Details**
 *
 * Throws `TypeError` if the address is neither, and `RangeError` if it is not an absolute URL. The messages contain
 * `where` and `what`.
 *
 * @category executors
 * @since 0.1.0
 */
export const checkAddress = (
  where: string,
  what: string,
  value: string | { readonly href: string } | undefined
): string => {
  const href = typeof value === "object" && value !== null ? value.href : value
  const rule = `${where}: ${what} must be an absolute URL`
  if (typeof href !== "string") {
    throw new TypeError(`${rule}, got ${href === null ? "null" : typeof href}: write ${suggestionFor(what, undefined)}`)
  }
  // A one-letter scheme is a Windows drive.
  if (/^[a-z][a-z\d+.-]+:/i.test(href)) return href
  throw new RangeError(`${rule}, got ${JSON.stringify(href)}: write ${suggestionFor(what, href)}`)
}

const suggestionFor = (what: string, href: string | undefined): string => {
  if (what === "meta.url") return "import.meta, or { url: pathToFileURL(__filename).href } in CommonJS"
  const text = JSON.stringify(href)
  if (href === undefined || href.startsWith(".")) return `new URL(${text ?? '"./jobs.js"'}, import.meta.url)`
  if (/^[/\\]|^[a-z]:/i.test(href)) return `pathToFileURL(${text})`
  return `import.meta.resolve(${text}), or "node:${href}" for a module of Node`
}

/**
 * Returns the function that a loaded module exports by a job's name, or `undefined` if there is none.
 *
 * **Details**
 *
 * Executors call it. Searches the exports first, then the own properties of the default export, which holds what a
 * CommonJS module exports. If none has the name, returns a job of that name that is exported under another name. Throws
 * what a getter throws.
 *
 * @category executors
 * @since 0.1.0
 */
export const findFunction = (module: object, name: string): Fn | undefined => {
  const holders = holdersOf(module)
  for (const holder of holders) {
    const found = Object.hasOwn(holder, name) ? holder[name] : undefined
    if (typeof found === "function") return found
  }
  return holders.flatMap(functionsOf).find(([, fn]) => fn.name === name && "url" in fn)?.[1]
}

/**
 * Returns the names of the functions that `findFunction` can find.
 *
 * @category executors
 * @since 0.1.0
 */
export const functionNames = (module: object): ReadonlyArray<string> => [
  ...new Set(
    holdersOf(module)
      .flatMap(functionsOf)
      .map(([name]) => name)
  )
]

type Fn = (...args: ReadonlyArray<any>) => unknown
type Holder = Record<string, any>

// Compilers turn `export default` in CommonJS into the default export of a default export.
const holdersOf = (module: Holder): ReadonlyArray<Holder> => {
  const holders: Array<Holder> = []
  for (let holder = module; isObject(holder) && holders.length < 3; holder = holder["default"]) holders.push(holder)
  return holders
}

// Getters of a CommonJS module are not called, because packages use them to load parts of themselves. Getters of an ES
// module are its exports if a tool has compiled it.
const functionsOf = (holder: Holder, index: number): ReadonlyArray<readonly [name: string, fn: Fn]> =>
  Object.keys(holder).flatMap((name) => {
    const value = index === 0 ? holder[name] : Object.getOwnPropertyDescriptor(holder, name)?.value
    return typeof value === "function" ? [[name, value] as const] : []
  })

/**
 * Returns the objects that `Job.transfer` marked for a job's result, if any.
 *
 * **Details**
 *
 * Executors call it before they copy a result.
 *
 * @category executors
 * @since 0.1.0
 */
export const transferredBy = (value: unknown): ReadonlyArray<object> | undefined =>
  typeof value === "object" && value !== null ? transfers().get(value) : undefined

/**
 * A part of a value that structured clone cannot copy.
 *
 * @category executors
 * @since 0.1.0
 */
export interface Uncloneable {
  /** The path to the part, such as `[0].retry.onEnd`; empty for the value itself. */
  readonly path: string
  /** Why it cannot be copied. */
  readonly reason: string
}

/**
 * Returns the part of a value that structured clone cannot copy, or `undefined` if there is none.
 *
 * **Details**
 *
 * Reads properties, so it runs getters and the traps of proxies. If one throws, `reason` is its message; this function
 * never throws. The search stops after a few milliseconds. The path then leads only as far as there is a single
 * possibility.
 *
 * **Example** (Finding the culprit)
 *
 * ```ts
 * import { findUncloneable } from "@aio-task-pool/core"
 *
 * findUncloneable([{ retry: { onEnd: () => 1 } }])?.path // => "[0].retry.onEnd"
 * findUncloneable([1, "two", new Date(0)]) // => undefined
 * ```
 *
 * @category executors
 * @since 0.1.0
 */
export const findUncloneable = (value: unknown, transfer: ReadonlyArray<object> = []): Uncloneable | undefined => {
  const reason = whyNot(value)
  return reason === undefined ? undefined : locateUncloneable(value, transfer, reason)
}

/**
 * Returns the part of a value that made structured clone throw `refusal`.
 *
 * **Details**
 *
 * Behaves like `findUncloneable` in all other respects. Executors call it because they have already tried to copy the
 * value, which may be slow.
 *
 * @category executors
 * @since 0.1.0
 */
export const explainUncloneable = (
  value: unknown,
  transfer: ReadonlyArray<object> | undefined,
  refusal: unknown
): Uncloneable => locateUncloneable(value, transfer ?? [], messageOf(refusal))

/**
 * Returns an error's message, or the text of another thrown value.
 *
 * **Details**
 *
 * Never throws, whatever was thrown.
 *
 * @category executors
 * @since 0.1.0
 */
export const messageOf = (thrown: unknown): string => {
  try {
    return String(thrown instanceof Error ? thrown.message : thrown)
  } catch {
    return `a value of type ${typeof thrown} that cannot be read`
  }
}

/**
 * Returns what was thrown as one line: an error's name and message, a string unchanged, and the type of anything else.
 *
 * **Details**
 *
 * Never throws, whatever was thrown.
 *
 * @category executors
 * @since 0.1.0
 */
export const describeThrown = (thrown: unknown): string => {
  try {
    if (thrown instanceof Error) return `${thrown.name}: ${thrown.message}`
  } catch {
    // The error cannot be read.
  }
  return typeof thrown === "string" ? thrown : `a value of type ${typeof thrown}`
}

const locateUncloneable = (value: unknown, transfer: ReadonlyArray<object>, reason: string): Uncloneable => {
  try {
    const handedOver = new Set<unknown>(transfer)
    return (
      search(value, handedOver, false) ??
      search(value, handedOver, true) ?? { path: onlyWay(value, handedOver), reason }
    )
  } catch {
    return { path: "", reason }
  }
}

/** The number of objects that a search visits, which takes a few milliseconds. */
const searchBudget = 5000
/** The share of an object's cost that a primitive uses of the budget. */
const primitiveCost = 0.05
/** The largest number of parts of an object that is copied as a trial. */
const largestTrial = 1000
const deepest = 100

/**
 * Searches for parts whose type cannot be copied: functions, symbols, getters that throw. With `byTrial` it also tries
 * to copy each object whose parts can be copied, which finds proxies, promises, and other objects that the platform
 * rejects.
 */
const search = (root: unknown, handedOver: ReadonlySet<unknown>, byTrial: boolean): Uncloneable | undefined => {
  const seen = new Set<unknown>()
  let left = searchBudget
  let untried = 0

  const visit = (value: unknown, depth: number): Uncloneable | undefined => {
    const type = typeof value
    if (type === "function" || type === "symbol") return { path: "", reason: whyNot(value)! }
    if (type !== "object" || value === null) {
      left -= primitiveCost
      return undefined
    }
    if (handedOver.has(value)) {
      untried++
      return undefined
    }
    if (left <= 0 || depth > deepest || seen.has(value)) return undefined
    seen.add(value)
    const before = left--
    const untriedBefore = untried
    const inner = eachPart(value as object, (key, part) => {
      const found = visit(part, depth + 1)
      if (found !== undefined) return { path: key + found.path, reason: found.reason }
      return left <= 0 ? "stop" : undefined
    })
    if (inner !== undefined) return inner === "stop" ? undefined : inner
    const size = before - left
    if (!byTrial || size > largestTrial || untried > untriedBefore) return undefined
    left -= size
    const reason = whyNot(value)
    return reason === undefined ? undefined : { path: "", reason }
  }
  return visit(root, 0)
}

/** Returns the path to the part as far as there is a single possibility. */
const onlyWay = (root: unknown, handedOver: ReadonlySet<unknown>): string => {
  let path = ""
  let value = root
  for (let depth = 0; depth < deepest; depth++) {
    let only: { readonly key: string; readonly part: object } | undefined
    let parts = 0
    const end = eachPart(value as object, (key, part) => {
      if (++parts > largestTrial) return "stop"
      if (typeof part !== "object" || part === null || handedOver.has(part)) return undefined
      if (only !== undefined) return "stop"
      only = { key, part }
      return undefined
    })
    if (end !== undefined || only === undefined) break
    path += only.key
    value = only.part
  }
  return path
}

// Structured clone has no test of whether it can copy a value. It can only be tried.
const whyNot = (value: unknown): string | undefined => {
  try {
    ;(globalThis as any).structuredClone(value)
    return undefined
  } catch (error) {
    return isGenerator(value) ? "a generator cannot leave its thread" : messageOf(error)
  }
}

const isGenerator = (value: unknown): boolean => {
  try {
    return Object.prototype.toString.call(value).endsWith("Generator]")
  } catch {
    return false
  }
}

type Visitor = (key: string, part: unknown) => Uncloneable | "stop" | undefined

/** Visits the parts of an object that structured clone would copy, until the visitor returns something. */
const eachPart = (value: object, visit: Visitor): ReturnType<Visitor> => {
  try {
    if (ArrayBuffer.isView(value)) return undefined
    if (Array.isArray(value)) {
      for (let i = 0; i < value.length; i++) {
        const found = visitPart(value, i, `[${i}]`, visit)
        if (found !== undefined) return found
      }
      return undefined
    }
    if (value instanceof Map) {
      for (const [key, part] of Map.prototype.entries.call(value)) {
        const found = visit(".keys()", key) ?? visit(`.get(${isObject(key) ? typeof key : String(key)})`, part)
        if (found !== undefined) return found
      }
      return undefined
    }
    if (value instanceof Set) {
      for (const part of Set.prototype.values.call(value)) {
        const found = visit(".values()", part)
        if (found !== undefined) return found
      }
      return undefined
    }
    // Structured clone copies no other property of an error as it is.
    const keys = value instanceof Error ? ("cause" in value ? ["cause"] : []) : Object.keys(value)
    for (const key of keys) {
      const found = visitPart(value, key, `.${key}`, visit)
      if (found !== undefined) return found
    }
    return undefined
  } catch (error) {
    // A trap of a proxy.
    return { path: "", reason: messageOf(error) }
  }
}

const visitPart = (value: object, key: string | number, path: string, visit: Visitor): ReturnType<Visitor> => {
  let part: unknown
  try {
    part = (value as any)[key]
  } catch (error) {
    return { path, reason: messageOf(error) }
  }
  return visit(path, part)
}

const isObject = (value: unknown): value is Holder =>
  (typeof value === "object" && value !== null) || typeof value === "function"

// Shared by all copies of this module in a thread.
const transfers = (): WeakMap<object, ReadonlyArray<object>> =>
  ((globalThis as any)[Symbol.for("@aio-task-pool/core/Job/transfers")] ??= new WeakMap())
