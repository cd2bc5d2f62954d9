/** The laws of executors whose jobs may run anywhere, the calling thread included. */
import { Executor, type ExecutorError, Job } from "@aio-task-pool/core"
import { assert, layer } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import type * as Layer from "effect/Layer"
import * as Tracer from "effect/Tracer"
import * as jobs from "./jobs/plain.ts"

export const executingLaws = (executor: Layer.Layer<Executor>): void =>
  layer(executor, { excludeTestServices: true })((it) => {
    // --------------------------------------------------------------------------------------------------------- results

    it.effect("a job's result is what its function returns", () =>
      Effect.gen(function* () {
        assert.strictEqual(yield* Executor.run(jobs.add, [1, 2]), 3)
        assert.strictEqual(yield* Executor.run(jobs.greet, ["Ada"]), "Hello, Ada")
        assert.strictEqual(yield* Executor.run(jobs.greet, ["Ada", "Dear"]), "Dear, Ada")
      })
    )

    it.effect("an async job's result is what its promise resolves to", () =>
      Effect.gen(function* () {
        assert.strictEqual(yield* Executor.run(jobs.addLater, [1, 2]), 3)
      })
    )

    it.effect("a job is found by its own name, and a module's function by its export's", () =>
      Effect.gen(function* () {
        assert.strictEqual(yield* Executor.run(jobs.exportedAs, []), "found")
        const module = Job.module<typeof jobs>(jobs.add.url)
        assert.strictEqual(yield* Executor.run(module.add, [3, 4]), 7)
        const path = Job.module<typeof import("node:path")>("node:path")
        assert.strictEqual(yield* Executor.run(path.basename, ["/a/b.c"]), "b.c")
      })
    )

    for (const value of values) {
      it.effect(`${describe(value)} is copied there and back`, () =>
        Effect.gen(function* () {
          // Twice, because the first call of a job may take another path than later ones.
          assert.deepStrictEqual(yield* Executor.run(jobs.identity, [value]), value)
          assert.deepStrictEqual(yield* Executor.run(jobs.identity, [value]), value)
        })
      )
    }

    it.effect("a thousand concurrent jobs each return their own result", () =>
      Effect.gen(function* () {
        const numbers = Array.from({ length: 1000 }, (_, i) => i)
        const sums = yield* Effect.forEach(numbers, (n) => Executor.run(jobs.add, [n, 1]), { concurrency: "unbounded" })
        assert.deepStrictEqual(
          sums,
          numbers.map((n) => n + 1)
        )
      })
    )

    it.effect("arguments are copied, shared memory is shared, and transferred objects are detached", () =>
      Effect.gen(function* () {
        const copied = new Uint8Array([1, 2, 3])
        assert.strictEqual(yield* Executor.run(jobs.fill, [copied, 9]), 1)
        assert.deepStrictEqual([...copied], [1, 2, 3])

        const shared = new Uint8Array(new SharedArrayBuffer(3))
        yield* Executor.run(jobs.fill, [shared, 9])
        assert.deepStrictEqual([...shared], [9, 9, 9])

        const given = new Uint8Array([1, 2, 3])
        assert.strictEqual(yield* Executor.run(jobs.fill, [given, 9], { transfer: [given.buffer] }), 1)
        assert.strictEqual(given.byteLength, 0)
      })
    )

    it.effect("a result can be transferred", () =>
      Effect.gen(function* () {
        const bytes = yield* Executor.run(jobs.produce, [1000])
        assert.strictEqual(bytes.length, 1000)
        assert.strictEqual(bytes[999], 7)
      })
    )

    // -------------------------------------------------------------------------------------------------------- failures

    it.effect("the error that a job throws keeps its class name, properties and causes", () =>
      Effect.gen(function* () {
        const error = yield* expectFailure(Executor.run(jobs.fail, [3]), "TaskThrew")
        assert.strictEqual(error.task, "fail")
        const cause = error.cause as Error & { readonly code: string; readonly limit: number }
        assert.instanceOf(cause, Error)
        assert.strictEqual(cause.name, "TooSmall")
        assert.strictEqual(cause.message, "needs at least 3")
        assert.strictEqual(cause.code, "E_TOO_SMALL")
        assert.strictEqual(cause.limit, 3)
        assert.include(cause.stack, "plain")
        assert.instanceOf(cause.cause, TypeError)
        assert.strictEqual(cause.cause.message, "no number")
        assert.strictEqual(cause.cause.cause, "a string")
        assert.strictEqual(error.message, "fail: the job threw TooSmall: needs at least 3")
      })
    )

    it.effect("an async job's rejection is what it throws", () =>
      Effect.gen(function* () {
        const { cause } = yield* expectFailure(Executor.run(jobs.failLater, ["bad"]), "TaskThrew")
        assert.instanceOf(cause, SyntaxError)
        assert.strictEqual(cause.message, "bad")
      })
    )

    it.effect("an AggregateError keeps its errors, and a cycle of causes is cut", () =>
      Effect.gen(function* () {
        const { cause: many } = yield* expectFailure(Executor.run(jobs.failWithMany, []), "TaskThrew")
        assert.instanceOf(many, AggregateError)
        assert.deepStrictEqual(
          many.errors.map((error: Error) => [error.name, error.message]),
          [
            ["RangeError", "one"],
            ["TooSmall", "needs at least 2"]
          ]
        )
        const { cause: circle } = yield* expectFailure(Executor.run(jobs.failInCircle, []), "TaskThrew")
        assert.strictEqual((circle as Error).cause, circle)
      })
    )

    for (const what of ["text", "undefined", "symbol", "function"]) {
      it.effect(`a job that throws ${what} fails with TaskThrew`, () =>
        Effect.gen(function* () {
          yield* expectFailure(Executor.run(jobs.failWith, [what]), "TaskThrew")
          assert.strictEqual(yield* Executor.run(jobs.add, [1, 2]), 3)
        })
      )
    }

    it.effect("an argument that cannot be copied is named, and the job does not run", () =>
      Effect.gen(function* () {
        const run = Executor.run(jobs.identity, [{ list: [1, { onEnd: () => 1 }] }])
        const error = yield* expectFailure(run, "NotCloneable")
        assert.strictEqual(error.direction, "argument")
        assert.strictEqual(error.path, "[0].list[1].onEnd")
        assert.include(error.reason, "could not be cloned")
        assert.strictEqual(yield* Executor.run(jobs.add, [1, 2]), 3)
      })
    )

    it.effect("a result that cannot be copied is named", () =>
      Effect.gen(function* () {
        const error = yield* expectFailure(Executor.run(jobs.giveFunction, []), "NotCloneable")
        assert.strictEqual(error.direction, "result")
        assert.strictEqual(error.path, ".list[1].onEnd")
        assert.strictEqual(yield* Executor.run(jobs.add, [1, 2]), 3)
      })
    )

    // Reading a property of a value may run a getter, which may throw.
    for (const [kind, make] of Object.entries(jobs.hostile)) {
      it.effect(`an argument that throws when it is read fails only its own call: ${kind}`, () =>
        Effect.gen(function* () {
          const before = yield* Executor.stats
          for (const args of [[make()], [1, { deep: [make()] }]]) {
            const exit = yield* Effect.exit(Executor.run<any, unknown>(jobs.identity, args))
            // A property may throw only here and be copied all the same.
            if (Exit.isSuccess(exit)) assert.strictEqual(kind, "prototype")
            else {
              const error = Cause.squash(exit.cause) as ExecutorError
              assert.isTrue(error._tag === "NotCloneable" && error.direction === "argument", String(error))
            }
            assert.strictEqual(yield* Executor.run(jobs.add, [1, 2]), 3)
          }
          const path = yield* Effect.flip(Executor.run(jobs.identity, [{ a: [jobs.hostile.getter()] }]))
          assert.isTrue(path._tag === "NotCloneable" && path.path === "[0].a[0].list[0].x" && path.reason === "no x")
          const after = yield* Executor.stats
          assert.strictEqual(after.replaced, before.replaced)
          assert.strictEqual(after.running + after.waiting, 0)
        })
      )

      it.effect(`a result or an error that throws when it is read fails only its own job: ${kind}`, () =>
        Effect.gen(function* () {
          const before = yield* Executor.stats
          for (const job of [jobs.giveHostile, jobs.giveHostileLater, jobs.throwHostile]) {
            const error = yield* Effect.flip(Executor.run<any, unknown>(job, [kind]))
            const tag =
              job === jobs.throwHostile || (job === jobs.giveHostile && asksThen(kind)) ? "TaskThrew" : "NotCloneable"
            assert.strictEqual(error._tag, tag, error.message)
            assert.strictEqual(yield* Executor.run(jobs.add, [1, 2]), 3)
          }
          const chunk = yield* Effect.flip(Executor.map(jobs.giveHostile, [kind, kind], { chunk: 2 }))
          assert.include(["TaskThrew", "NotCloneable"], chunk._tag)
          assert.strictEqual((yield* Executor.stats).replaced, before.replaced)
        })
      )
    }

    it.effect("an error with unreadable properties arrives with its other properties", () =>
      Effect.gen(function* () {
        const { cause } = yield* expectFailure(Executor.run(jobs.failHostile, []), "TaskThrew")
        const error = cause as RangeError & {
          readonly first: number
          readonly again: unknown
          readonly last: unknown[]
        }
        assert.instanceOf(error, RangeError)
        assert.strictEqual(error.message, "outer")
        assert.strictEqual(error.first, 1)
        assert.strictEqual((error.cause as Error).message, "inner")
        assert.strictEqual(error.again, error.cause)
        assert.strictEqual(error.last[0], error.cause)
      })
    )

    it.effect("the search for the part that cannot be copied ends soon, with the path so far", () =>
      Effect.gen(function* () {
        const list: Array<unknown> = Array.from({ length: 300_000 }, (_, i) => ({ i }))
        list.push({ onEnd: () => 1 })
        const error = yield* expectFailure(Executor.run(jobs.identity, [{ list }]), "NotCloneable")
        assert.strictEqual(error.path, "[0].list")
        assert.include(error.reason, "could not be cloned")
      })
    )

    it.effect("the executor's errors keep their messages when they are copied", () =>
      Effect.gen(function* () {
        const errors = [
          yield* Effect.flip(Executor.run(jobs.fail, [3])),
          yield* Effect.flip(Executor.run(jobs.giveFunction, [])),
          yield* Effect.flip(Executor.run(Job.module<{ f: () => void }>(jobs.add.url).f, []))
        ]
        for (const error of errors) {
          assert.include(error.message, `${error.task}: `)
          assert.strictEqual((structuredClone(error) as Error).message, error.message)
        }
      })
    )

    it.effect("a generator is rejected with a clear error", () =>
      Effect.gen(function* () {
        const { generate, generateLater } = Job.module<typeof jobs>(jobs.add.url)
        for (const job of [generate, generateLater]) {
          const error = yield* expectFailure(Executor.run<[], unknown>(job, []), "NotCloneable")
          assert.strictEqual(error.reason, "a generator cannot leave its thread")
        }
        assert.throws(
          () => Job.define(import.meta, "numbers", jobs.generate as () => never),
          "Job.define: numbers must not be a generator function, whose result cannot leave its thread"
        )
      })
    )

    it.effect("a missing module or function is TaskNotFound, with the functions that exist", () =>
      Effect.gen(function* () {
        const nowhere = Job.module<{ readonly f: () => void }>(new URL("./nowhere.ts", import.meta.url))
        const noModule = yield* expectFailure(Executor.run(nowhere.f, []), "TaskNotFound")
        assert.include(noModule.url, "nowhere.ts")
        assert.isDefined(noModule.cause)

        const here = Job.module<{ readonly nope: () => void; readonly notAFunction: () => void }>(jobs.add.url)
        for (const job of [here.nope, here.notAFunction]) {
          const noFunction = yield* expectFailure(Executor.run(job, []), "TaskNotFound")
          assert.strictEqual(noFunction.task, job.name)
          assert.include(noFunction.reason, "addLater")
        }
        assert.strictEqual(yield* Executor.run(jobs.add, [1, 2]), 3)
      })
    )

    // ------------------------------------------------------------------------------------------------------------- map

    for (const chunk of [1, 7, 1000]) {
      it.effect(`map gives results in the order of the items, in chunks of ${chunk}`, () =>
        Effect.gen(function* () {
          const items = Array.from({ length: 100 }, (_, i) => i)
          const doubled = items.map((n) => n * 2)
          assert.deepStrictEqual(yield* Executor.map(jobs.double, items, { chunk }), doubled)
          assert.deepStrictEqual(yield* Executor.map(jobs.double, new Set(items), { chunk, concurrency: 1 }), doubled)
          const unordered = yield* Executor.map(jobs.double, items, { chunk, unordered: true })
          assert.deepStrictEqual(
            unordered.sort((a, b) => a - b),
            doubled
          )
          assert.deepStrictEqual(yield* Executor.map(jobs.double, [], { chunk }), [])
        })
      )
    }

    it.effect("map pulls no more than it can send, ends with the first failure, and closes its iterator", () =>
      Effect.gen(function* () {
        const seen = { pulled: 0, closed: false }
        const numbers = function* () {
          try {
            for (;;) yield seen.pulled++
          } finally {
            seen.closed = true
          }
        }
        const map = Executor.map(jobs.failAt, numbers(), { chunk: 2, concurrency: 1 })
        const error = yield* expectFailure(map, "TaskThrew")
        assert.strictEqual((error.cause as Error).message, "thirteen")
        assert.strictEqual(seen.pulled, 14)
        assert.isTrue(seen.closed)
      })
    )

    it.effect("map closes its iterator as a loop does, and keeps the first failure when that throws", () =>
      Effect.gen(function* () {
        const closings: Array<string> = []
        const iterate = (name: string, next: () => unknown): Iterable<number> => ({
          [Symbol.iterator]: () => ({
            next: next as () => IteratorResult<number>,
            return: () => {
              closings.push(name)
              throw new Error(`${name}: not closed`)
            }
          })
        })
        const run = (name: string, next: () => unknown) =>
          Effect.exit(Executor.map(jobs.failAt, iterate(name, next), { concurrency: 2 }))

        const failed = yield* run("failing", () => ({ done: false, value: 13 }))
        assert.isTrue(Exit.isFailure(failed))
        const cause = Exit.isFailure(failed) ? failed.cause : Cause.empty
        assert.isTrue(Cause.hasFails(cause), "the job's own failure is first")
        assert.include(Cause.pretty(cause), "failing: not closed")

        let pulled = 0
        const broken = [
          () => {
            throw new Error("no next")
          },
          () => undefined,
          () => 5,
          () => ({
            done: false,
            get value() {
              throw new Error("no value")
            }
          }),
          () => ({
            get done() {
              throw new Error("no done")
            }
          })
        ]
        for (const [i, next] of broken.entries()) {
          const exit = yield* run(`broken ${i}`, () => {
            if (pulled++ > 100) throw new Error("without end")
            return next()
          })
          assert.isTrue(Exit.isFailure(exit) && Cause.hasDies(exit.cause))
          assert.notInclude(Cause.pretty((exit as Exit.Failure<unknown, unknown>).cause), "without end")
        }
        const endless = Executor.map(jobs.double, { [Symbol.iterator]: () => 5 } as never)
        assert.isTrue(Exit.isFailure(yield* Effect.exit(endless)))
        assert.deepStrictEqual(closings, ["failing"])
      })
    )

    it.effect("a job without parameters needs no arguments", () =>
      Effect.gen(function* () {
        assert.strictEqual(yield* Executor.run(jobs.exportedAs), "found")
        assert.strictEqual(yield* Executor.run(jobs.exportedAs, undefined, { onInterrupt: "abandon" }), "found")
      })
    )

    it.effect("a wrong argument of a caller without types is a TypeError that says what was expected", () =>
      Effect.gen(function* () {
        const run = Executor.run as (...args: ReadonlyArray<unknown>) => ReturnType<typeof Executor.run>
        const map = Executor.map as (...args: ReadonlyArray<unknown>) => ReturnType<typeof Executor.map>
        for (const [effect, message] of [
          [run(jobs.add), "Executor.run: args must be an array of the arguments of add, got undefined"],
          [run(jobs.add, 1), "Executor.run: args must be an array of the arguments of add, got 1"],
          [run(jobs.add, "12"), 'Executor.run: args must be an array of the arguments of add, got "12"'],
          [run(undefined, []), "Executor.run: job must be a Job, got undefined"],
          [run(() => 1, []), "Executor.run: job must be a Job, got function"],
          [run(jobs.add, [1, 2], { transfer: 3 }), "Executor.run: transfer must be an array, got 3"],
          [
            run(jobs.add, [1, 2], { onInterrupt: "stop" }),
            'Executor.run: onInterrupt must be "terminate" or "abandon", got "stop"'
          ],
          [
            run(jobs.add, [1, 2], { oninterrupt: "abandon" }),
            'Executor.run: unknown option "oninterrupt" (known: onInterrupt, transfer)'
          ],
          [map(jobs.double, 5), "Executor.map: items must be iterable, got 5"],
          [
            map(jobs.double, [1], { chunks: 2 }),
            'Executor.map: unknown option "chunks" (known: chunk, concurrency, onInterrupt, unordered)'
          ],
          [map(jobs.double, [1], { unordered: "no" }), 'Executor.map: unordered must be a boolean, got "no"'],
          [map(undefined, [1]), "Executor.map: job must be a Job, got undefined"]
        ] as const) {
          const exit = yield* Effect.exit(effect)
          const defect = Exit.isFailure(exit) ? Cause.squash(exit.cause) : undefined
          assert.instanceOf(defect, TypeError)
          assert.strictEqual(defect.message, message)
        }
        assert.strictEqual(yield* Executor.run(jobs.add, [1, 2]), 3)
      })
    )

    it.effect("map rejects a chunk or a concurrency that is not an integer of 1 or more", () =>
      Effect.gen(function* () {
        for (const options of [{ chunk: 0 }, { chunk: 1.5 }, { concurrency: -1 }]) {
          const exit = yield* Effect.exit(Executor.map(jobs.double, [1], options))
          assert.match(JSON.stringify(exit), /Die/)
        }
      })
    )

    // --------------------------------------------------------------------------------------------------- around the job

    it.effect("stats count the settled calls", () =>
      Effect.gen(function* () {
        const before = yield* Executor.stats
        yield* Effect.exit(Executor.run(jobs.fail, [1]))
        yield* Executor.run(jobs.add, [1, 2])
        const after = yield* Executor.stats
        assert.strictEqual(after.settled - before.settled, 2)
        assert.strictEqual(after.running, 0)
        assert.strictEqual(after.waiting, 0)
      })
    )

    it.effect("a job in a trace has a span under its submitter's, with its queue time and its run time", () =>
      Effect.gen(function* () {
        const spans: Array<Tracer.NativeSpan> = []
        const tracer = Tracer.make({
          span(options) {
            const span = new Tracer.NativeSpan(options)
            spans.push(span)
            return span
          }
        })
        yield* Executor.run(jobs.add, [1, 2]).pipe(Effect.withSpan("submitter"), Effect.withTracer(tracer))
        const [submitter, job] = spans
        assert.strictEqual(job?.name, "Executor.run")
        assert.strictEqual(job?.parent._tag === "Some" ? job.parent.value.spanId : undefined, submitter?.spanId)
        assert.strictEqual(job?.attributes.get("job.name"), "add")
        assert.isAtLeast(job?.attributes.get("job.queue_time") as number, 0)
        assert.isAtLeast(job?.attributes.get("job.run_time") as number, 0)
        assert.strictEqual(job?.status._tag, "Ended")
      })
    )

    it.effect("an executor still works after its callers are interrupted", () =>
      Effect.gen(function* () {
        const fibers = yield* Effect.forEach(
          Array.from({ length: 50 }),
          (_, i) => Effect.forkChild(Executor.run(jobs.add, [i, 1])),
          { concurrency: 1 }
        )
        yield* Fiber.interruptAll(fibers.filter((_, i) => i % 2 === 0))
        const rest = yield* Fiber.joinAll(fibers.filter((_, i) => i % 2 === 1))
        assert.deepStrictEqual(
          rest,
          Array.from({ length: 25 }, (_, i) => i * 2 + 2)
        )
      })
    )
  })

const values: ReadonlyArray<unknown> = [
  0,
  -0,
  NaN,
  -Infinity,
  Number.MAX_SAFE_INTEGER,
  "",
  "short",
  "ünïcödé 🦆 \ud800 alone",
  "x".repeat(220),
  "x".repeat(100_000),
  true,
  false,
  null,
  undefined,
  12n,
  /a+/g,
  [1, "two", { three: [3] }],
  new Map([["a", new Set([1])]]),
  new Uint8Array([1, 2, 3]),
  new RangeError("as a value")
]

const describe = (value: unknown): string => {
  if (typeof value === "string") return value.length > 30 ? `a string of ${value.length}` : JSON.stringify(value)
  if (typeof value === "object" && value !== null) return `a value of class ${value.constructor.name}`
  return Object.is(value, -0) ? "-0" : String(value)
}

/** Whether asking such a result for its `then` throws, which is the job's own failure. */
const asksThen = (kind: string): boolean => ["thenable", "revoked", "array", "proxy"].includes(kind)

/** The failure of an effect, which must have this tag. */
export const expectFailure = <A, Tag extends ExecutorError["_tag"], R>(
  effect: Effect.Effect<A, ExecutorError, R>,
  tag: Tag
): Effect.Effect<Extract<ExecutorError, { readonly _tag: Tag }>, A, R> =>
  Effect.map(Effect.flip(effect), (error) => {
    assert.strictEqual(error._tag, tag, error.message)
    return error as Extract<ExecutorError, { readonly _tag: Tag }>
  })
