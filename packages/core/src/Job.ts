/**
 * Declares jobs: named blocking functions that an `Executor` can run on another thread.
 *
 * A job is shipped as the address of its module and its name in there, never as source text, so that closures, imports
 * and types mean on the other thread what they mean here. This module imports nothing: a module of jobs is loaded by
 * every thread, and what it imports is paid for by each of them.
 *
 * @since 0.1.0
 */

/**
 * A named blocking function: where its module is, and what it is called in there.
 *
 * @category models
 * @since 0.1.0
 */
export interface Job<in out Args extends ReadonlyArray<any>, out A> {
  /** The address of the module, an absolute URL. */
  readonly url: string
  /** The name of the function in that module. */
  readonly name: string
  /** The function itself, where the calling thread has it. */
  readonly fn: ((...args: Args) => A) | undefined
}

/**
 * The constructors of jobs.
 *
 * @category constructors
 * @since 0.1.0
 */
export const Job = {
  /**
   * Declares an exported function of this module as a job. The result can also be called as the function it is.
   *
   * **Details**
   *
   * `name` is the name it is exported under. The function may be async: its thread waits for the promise, and runs nothing
   * else meanwhile. A CommonJS module, which has no `import.meta`, gives `{ url: pathToFileURL(__filename).href }`.
   *
   * Throws `TypeError` for a generator function, whose result cannot leave its thread, and if `meta` has no `url`;
   * `RangeError` if that is not an absolute URL.
   *
   * **Gotchas**
   *
   * Threads load the whole module. One that imports a server, a database or a test framework makes each of them load it
   * too: give jobs a module of their own. In the program's own file a job would make each thread run the program again:
   * the job fails with `TaskNotFound` as soon as the program makes an executor there. A program that is guarded by
   * `if (import.meta.main)` may define jobs.
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
   * Use it for modules that are too heavy for the main thread, that do not know of jobs, or that come with the platform.
   *
   * **Details**
   *
   * `url` is an absolute URL: `new URL("./img.ts", import.meta.url)`, `import.meta.resolve("some-package")`, or a name like
   * `"node:zlib"`. Exports that are not functions are left out of the type. Functions are looked for among the exports of
   * the module, then among the properties of its default export, which is what a CommonJS module exports as a whole.
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
        // Whoever awaits or inspects the object asks for names that no caller wrote.
        if (typeof name === "symbol" || name === "then") return undefined
        let job = jobs.get(name)
        if (job === undefined) jobs.set(name, (job = { url: href, name, fn: undefined }))
        return job
      }
    }) as JobsOf<M>
  },

  /**
   * Says that a job's result hands over these objects (array buffers, message ports) instead of copying them.
   *
   * **Details**
   *
   * Call it inside a job and return what it returns: the value itself. Called in the main thread, or by
   * `Executor.layerInline`, it changes nothing.
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
 * What becomes of a module's exports: each function a job.
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
 * `T` where structured clone can copy it, as far as types tell: functions, symbols, promises and weak collections, also
 * as properties of objects and elements of arrays, turn into `never`.
 *
 * **Gotchas**
 *
 * A class instance whose methods the type shows is refused too: it would arrive as a plain object without them.
 *
 * @category models
 * @since 0.1.0
 */
export type Cloneable<T> = 0 extends 1 & T
  ? T
  : unknown extends T
    ? T
    : T extends ((...args: any) => any) | symbol | PromiseLike<any>
      ? never
      : T extends Primitive | Platform
        ? T
        : T extends WeakMap<any, any> | WeakSet<any> | WeakRef<any>
          ? never
          : { [K in keyof T]: Cloneable<T[K]> }

type Primitive = string | number | bigint | boolean | null | undefined

// What structured clone knows; what the platform adds (ports, blobs, streams) is told by its methods.
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

type AnyGenerator = Generator | AsyncGenerator

/**
 * Returns a module's address, given as a string or an object with `href`, as a string. Throws `TypeError` if it is
 * neither and `RangeError` if it is not an absolute URL, both with the names given.
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
    throw new TypeError(`${rule}, got ${href === null ? "null" : typeof href}: write ${cureOf(what, undefined)}`)
  }
  // A scheme of one letter is a drive of Windows.
  if (/^[a-z][a-z\d+.-]+:/i.test(href)) return href
  throw new RangeError(`${rule}, got ${JSON.stringify(href)}: write ${cureOf(what, href)}`)
}

const cureOf = (what: string, href: string | undefined): string => {
  if (what === "meta.url") return "import.meta, or { url: pathToFileURL(__filename).href } in CommonJS"
  const text = JSON.stringify(href)
  if (href === undefined || href.startsWith(".")) return `new URL(${text ?? '"./jobs.js"'}, import.meta.url)`
  if (/^[/\\]|^[a-z]:/i.test(href)) return `pathToFileURL(${text})`
  return `import.meta.resolve(${text}), or "node:${href}" for a module of Node`
}

/**
 * Returns the function that a loaded module exports by a job's name, or `undefined` if there is none. Executors call it.
 *
 * **Details**
 *
 * The exports come first, then the own properties of the default export, which is what a CommonJS module exports as a
 * whole. If none has the name, a job of that name may be exported under another one. Throws what a getter throws.
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
 * Returns the names of the functions that `findFunction` looks among.
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

// The default export of a default export is what compilers make of `export default` in CommonJS.
const holdersOf = (module: Holder): ReadonlyArray<Holder> => {
  const holders: Array<Holder> = []
  for (let holder = module; isHolder(holder) && holders.length < 3; holder = holder["default"]) holders.push(holder)
  return holders
}

const isHolder = (value: unknown): value is Holder =>
  (typeof value === "object" && value !== null) || typeof value === "function"

// Getters of a CommonJS module are not called, because packages load parts of themselves by them. Those of an ES module
// stand for its exports where a tool has translated it.
const functionsOf = (holder: Holder, index: number): ReadonlyArray<readonly [name: string, fn: Fn]> =>
  Object.keys(holder).flatMap((name) => {
    const value = index === 0 ? holder[name] : Object.getOwnPropertyDescriptor(holder, name)?.value
    return typeof value === "function" ? [[name, value] as const] : []
  })

/**
 * The objects that a job's result hands over, as `Job.transfer` said; executors ask before they copy a result.
 *
 * @category executors
 * @since 0.1.0
 */
export const transferredBy = (value: unknown): ReadonlyArray<object> | undefined =>
  typeof value === "object" && value !== null ? transfers().get(value) : undefined

/**
 * Says which part of a value structured clone cannot copy, and why; `undefined` when it can copy all of it.
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
export const findUncloneable = (
  value: unknown,
  transfer: ReadonlyArray<object> = []
): { readonly path: string; readonly reason: string } | undefined => {
  let reason = whyNot(value)
  if (reason === undefined) return undefined
  // Goes on in the first part that cannot be copied by itself; a value that fails only as a whole is the culprit.
  let path = ""
  for (let depth = 0; depth < 32; depth++) {
    const inner = partsOf(value).find(
      (part) => !transfer.includes(part.value as object) && whyNot(part.value) !== undefined
    )
    if (inner === undefined) break
    path += inner.key
    value = inner.value
    reason = whyNot(value)!
  }
  return { path, reason }
}

// A refusal is all that structured clone offers for an answer, and it can only be caught.
const whyNot = (value: unknown): string | undefined => {
  try {
    ;(globalThis as any).structuredClone(value)
    return undefined
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}

const partsOf = (value: unknown): ReadonlyArray<{ readonly key: string; readonly value: unknown }> => {
  if (typeof value !== "object" || value === null) return []
  if (Array.isArray(value)) return value.map((part, index) => ({ key: `[${index}]`, value: part }))
  if (value instanceof Map) {
    return [...value].flatMap(([key, part]) => [
      { key: ".keys()", value: key },
      { key: `.get(${String(key)})`, value: part }
    ])
  }
  if (value instanceof Set) return [...value].map((part) => ({ key: ".values()", value: part }))
  return Object.keys(value).map((key) => ({ key: `.${key}`, value: (value as any)[key] }))
}

// Shared by all copies of this module in a thread.
const transfers = (): WeakMap<object, ReadonlyArray<object>> =>
  ((globalThis as any)[Symbol.for("@aio-task-pool/core/Job/transfers")] ??= new WeakMap())
