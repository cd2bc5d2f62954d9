import {
  AioFixedTaskPoolSimple,
  type Cloneable,
  Executor,
  type ExecutorError,
  findUncloneable,
  Job,
  type NotAvailable,
  type TaskCancelled,
  TaskPool
} from "@aio-task-pool/core"
import { assert, describe, expectTypeOf, it } from "@effect/vitest"
import { Cause, Effect, Exit, Layer } from "effect"

const add = Job.define(import.meta, "add", (a: number, b: number) => a + b)
const greet = Job.define(import.meta, "greet", (name: string, greeting?: string) => `${greeting ?? "Hello"}, ${name}`)
const later = Job.define(import.meta, "later", async (input: { readonly id: number }) => ({ ...input, done: true }))

describe("Job.define", () => {
  it("makes a job that is still the function, with its address", () => {
    assert.strictEqual(add(1, 2), 3)
    assert.strictEqual(add.name, "add")
    assert.strictEqual(add.url, import.meta.url)
    expectTypeOf(add).toExtend<(a: number, b: number) => number>()
  })

  it("rejects a missing or relative address, as in CommonJS builds", () => {
    for (const meta of [{}, undefined, { url: undefined }]) {
      assert.throws(
        () => Job.define(meta as never, "none", () => 1),
        TypeError,
        "Job.define: meta.url must be an absolute URL, got undefined: " +
          "write import.meta, or { url: pathToFileURL(__filename).href } in CommonJS"
      )
    }
    assert.throws(() => Job.define({ url: "/x.js" }, "none", () => 1), RangeError, 'got "/x.js": write import.meta')
    assert.strictEqual(Job.define({ url: "file:///x.cjs" }, "one", () => 1).url, "file:///x.cjs")
  })

  it("rejects a name or a function of another type", () => {
    const define = Job.define as (...args: ReadonlyArray<unknown>) => unknown
    assert.throws(() => define(import.meta, () => 1), TypeError, "Job.define: name must be a string, got function")
    assert.throws(() => define(import.meta, "one"), TypeError, "Job.define: one must be a function, got undefined")
    assert.throws(() => define(import.meta, Symbol("s"), () => 1), TypeError, "name must be a string, got symbol")
  })

  it("rejects generator functions, by type and at run time", () => {
    assert.throws(
      () =>
        // @ts-expect-error a generator cannot leave its thread
        Job.define(import.meta, "numbers", function* () {
          yield 1
        }),
      TypeError,
      "Job.define: numbers must not be a generator function"
    )
  })
})

describe("Job.module", () => {
  it("describes functions without loading their module", () => {
    const module = Job.module<{ readonly f: (n: number) => string; readonly g: 42 }>(new URL("file:///nowhere.ts"))
    assert.deepStrictEqual({ ...module.f }, { url: "file:///nowhere.ts", name: "f", fn: undefined })
    assert.strictEqual(module.f, module.f)
    expectTypeOf<keyof typeof module>().toEqualTypeOf<"f">()
    // @ts-expect-error not a function
    void module.g
  })

  it("rejects an address that is not absolute, and says how to write one", () => {
    for (const [url, cure] of [
      ["./x.js", 'new URL("./x.js", import.meta.url)'],
      ["../x", 'new URL("../x", import.meta.url)'],
      ["/x/y.js", 'pathToFileURL("/x/y.js")'],
      ["C:\\x\\y.js", 'pathToFileURL("C:\\\\x\\\\y.js")'],
      ["c:/x/y.js", 'pathToFileURL("c:/x/y.js")'],
      ["\\\\server\\x.js", 'pathToFileURL("\\\\\\\\server\\\\x.js")'],
      ["sharp", 'import.meta.resolve("sharp"), or "node:sharp" for a module of Node'],
      ["jobs/x.js", 'import.meta.resolve("jobs/x.js"), or "node:jobs/x.js" for a module of Node'],
      ["", 'import.meta.resolve(""), or "node:" for a module of Node']
    ] as const) {
      const message = `Job.module: url must be an absolute URL, got ${JSON.stringify(url)}: write ${cure}`
      for (const given of [url, { href: url }]) assert.throws(() => Job.module(given), RangeError, message)
    }
    for (const url of [undefined, null, 42, {}, { href: 42 }, () => "file:///x.js"]) {
      assert.throws(() => Job.module(url as never), TypeError, "Job.module: url must be an absolute URL, got ")
    }
  })

  it("takes any absolute address", () => {
    for (const url of ["file:///x.js", "file:///C:/x.js", "node:zlib", "data:text/javascript,0", "https://a/x.js"]) {
      assert.strictEqual(Job.module<{ readonly f: () => void }>(url).f.url, url)
    }
  })

  it("can be resolved with and printed like any object", async () => {
    const module = Job.module<{ readonly f: () => void }>("node:nothing")
    assert.strictEqual(await Promise.resolve(module), module)
    assert.strictEqual(Object.prototype.toString.call(module), "[object Object]")
  })
})

describe("types", () => {
  it("of results and failures", () => {
    expectTypeOf(Executor.run(add, [1, 2])).toEqualTypeOf<Effect.Effect<number, ExecutorError, Executor>>()
    expectTypeOf(Executor.run(later, [{ id: 1 }])).toEqualTypeOf<
      Effect.Effect<{ done: boolean; id: number }, ExecutorError, Executor>
    >()
    expectTypeOf(Executor.map(greet, ["Ada"], { chunk: 64 })).toEqualTypeOf<
      Effect.Effect<Array<string>, ExecutorError, Executor>
    >()
    expectTypeOf(TaskPool.submitBlocking(add, { args: [1, 2], weight: 1 })).toEqualTypeOf<
      Effect.Effect<number, ExecutorError | NotAvailable | TaskCancelled, TaskPool | Executor>
    >()
    expectTypeOf(TaskPool.submitBlocking(add, { args: [1, 2], timeout: "1 second" })).toEqualTypeOf<
      Effect.Effect<number, ExecutorError | NotAvailable | TaskCancelled | Cause.TimeoutError, TaskPool | Executor>
    >()
    class Heavy extends Executor.Tag<Heavy>()("test/Heavy") {}
    expectTypeOf(TaskPool.submitBlocking(add, { args: [1, 2], executor: Heavy })).toEqualTypeOf<
      Effect.Effect<number, ExecutorError | NotAvailable | TaskCancelled, TaskPool | Heavy>
    >()
    expectTypeOf(Heavy.run(greet, ["Ada"])).toEqualTypeOf<Effect.Effect<string, ExecutorError, Heavy>>()
  })

  it("of arguments: arity, types, and what cannot be copied", () => {
    const unknownJob = Job.define(import.meta, "unknownJob", (value: unknown) => typeof value)
    const callback = Job.define(import.meta, "callback", (f: () => void) => f())
    const nested = Job.define(import.meta, "nested", (options: { readonly onEnd: () => void }) => options.onEnd())
    const promised = Job.define(import.meta, "promised", (value: Promise<number>) => value)
    const symbol = Job.define(import.meta, "symbol", (value: symbol) => String(value))
    const bytes = Job.define(
      import.meta,
      "bytes",
      (value: Uint8Array, map: Map<string, Date>) => value.length + map.size
    )

    void Executor.run(greet, ["Ada"])
    void Executor.run(greet, ["Ada", "Dear"])
    void Executor.run(unknownJob, [{ any: "thing" }])
    void Executor.run(bytes, [new Uint8Array(1), new Map()])
    // @ts-expect-error too few
    void Executor.run(add, [1])
    // @ts-expect-error too many
    void Executor.run(add, [1, 2, 3])
    // @ts-expect-error of another type
    void Executor.run(add, [1, "2"])
    // @ts-expect-error of another type
    void TaskPool.submitBlocking(add, { args: ["1", 2] })
    // @ts-expect-error functions cannot be copied
    void Executor.run(callback, [() => undefined])
    // @ts-expect-error nor objects with functions
    void Executor.run(nested, [{ onEnd: () => undefined }])
    // @ts-expect-error nor promises
    void Executor.run(promised, [Promise.resolve(1)])
    // @ts-expect-error nor symbols
    void Executor.run(symbol, [Symbol.iterator])
    // @ts-expect-error a job of two arguments cannot be mapped over one
    void Executor.map(add, [1, 2])
    // @ts-expect-error items of another type
    void Executor.map(greet, [1])
    // @ts-expect-error no such export
    void Job.module<typeof import("node:zlib")>("node:zlib").nope

    expectTypeOf<Cloneable<{ a: number; b: [string, Date?] }>>().toEqualTypeOf<{ a: number; b: [string, Date?] }>()
  })
})

describe("TaskPool.submitBlocking", () => {
  const layers = Layer.merge(AioFixedTaskPoolSimple.layer(2), Executor.layerInline)
  const noop = Job.define(import.meta, "noop", () => "done")

  it.effect("needs no arguments for a job without parameters", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* TaskPool.submitBlocking(noop), "done")
      assert.strictEqual(yield* TaskPool.submitBlocking(noop, { weight: 1 }), "done")
    }).pipe(Effect.provide(layers))
  )

  it.effect("tells a caller without types which arguments are missing", () =>
    Effect.gen(function* () {
      const submit = TaskPool.submitBlocking as (
        ...args: ReadonlyArray<unknown>
      ) => Effect.Effect<unknown, unknown, any>
      for (const effect of [submit(add), submit(add, {}), submit(add, { args: 1 })]) {
        const exit = yield* Effect.exit(effect as Effect.Effect<unknown>)
        const defect = Exit.isFailure(exit) ? Cause.squash(exit.cause) : undefined
        assert.instanceOf(defect, TypeError)
        assert.match(defect.message, /^Executor.run: args must be an array of the arguments of add, got (undefined|1)$/)
      }
      assert.strictEqual(yield* TaskPool.submitBlocking(add, { args: [1, 2] }), 3)
    }).pipe(Effect.provide(layers))
  )
})

describe("findUncloneable", () => {
  for (const [value, path] of [
    [() => 1, ""],
    [[1, [2, { deep: Symbol("x") }]], "[1][1].deep"],
    [{ map: new Map<unknown, unknown>([["key", new WeakMap()]]) }, ".map.get(key)"],
    [{ map: new Map([[() => 1, 1]]) }, ".map.keys()"],
    [{ set: new Set([1, Promise.resolve()]) }, ".set.values()"]
  ] as const) {
    it(`names the culprit at ${path === "" ? "the top" : path}`, () => {
      assert.strictEqual(findUncloneable(value)?.path, path)
    })
  }

  it("finds nothing where there is nothing, and ends where a circle has none", () => {
    const circle: Record<string, unknown> = {}
    circle["self"] = circle
    assert.isUndefined(findUncloneable(circle))
    circle["f"] = () => 1
    assert.isDefined(findUncloneable(circle))
  })

  it("names getters and proxies that throw, and why", () => {
    const no = (): never => {
      throw new Error("no")
    }
    assert.deepStrictEqual(findUncloneable([{ a: Object.defineProperty({}, "x", { enumerable: true, get: no }) }]), {
      path: "[0].a.x",
      reason: "no"
    })
    assert.deepStrictEqual(findUncloneable([{ a: new Proxy({}, { ownKeys: no, getPrototypeOf: no }) }])?.path, "[0].a")
    assert.strictEqual(findUncloneable([1, new Map([[Object.create(null), Symbol("x")]])])?.path, "[1].get(object)")
  })

  it("takes of an error only what is copied of it", () => {
    const error = Object.assign(new Error("with a function"), { f: () => 1 })
    assert.isUndefined(findUncloneable([error]))
    assert.strictEqual(findUncloneable([error, { g: () => 1 }])?.path, "[1].g")
    assert.strictEqual(findUncloneable([new Error("outer", { cause: { g: () => 1 } })])?.path, "[0].cause.g")
  })

  it("gives the only way to a culprit that it has not found", () => {
    const list: Array<unknown> = Array.from({ length: 50_000 }, (_, i) => ({ i }))
    list.push(() => 1)
    assert.strictEqual(findUncloneable([1, { list }])?.path, "[1].list")
    assert.strictEqual(findUncloneable([{ list }, { other: {} }])?.path, "")
  })

  it("passes over what is transferred", () => {
    const { port1, port2 } = new MessageChannel()
    assert.strictEqual(findUncloneable([port1, { f: () => 1 }], [port1])?.path, "[1].f")
    port1.close()
    port2.close()
  })
})
