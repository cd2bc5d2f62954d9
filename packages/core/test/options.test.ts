// Each bad option is refused by the call that gave it, in one sentence (load 0, load 11).
import { assert, describe, it } from "@effect/vitest"
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import {
  AioAutoScaleTaskPoolLifo,
  AioAutoScaleTaskPoolPriority,
  AioAutoScaleTaskPoolSimple,
  AioFixedTaskPoolLifo,
  AioFixedTaskPoolPriority,
  AioFixedTaskPoolSimple,
  AutoScalePolicy,
  Executor,
  Job,
  TaskPool,
  UnknownTaskWeight
} from "../src/index.ts"
import { defectOf, failureOf, gated, settle, start } from "@aio-task-pool/testing/kit"

type Call = (options: any) => Effect.Effect<unknown, unknown, TaskPool | Executor>

const never = Effect.die("never")
const noop = Job.define(import.meta, "noop", () => "done")

const submitKnown = "weight, label, key, permits, cost, maxWait, retry"
const operations: Record<string, readonly [call: Call, known: string]> = {
  submit: [(options) => TaskPool.submit(never, options), `${submitKnown}, args`],
  fork: [(options) => TaskPool.fork(never, options), `${submitKnown}, args`],
  submitNowait: [(options) => TaskPool.submitNowait(never, options), `${submitKnown}, args`],
  forEach: [(options) => TaskPool.forEach([1], () => never, options), `${submitKnown}, discard, unordered, spans`],
  all: [(options) => TaskPool.all([never], options), submitKnown],
  mapEffect: [
    (options) => Stream.runDrain(TaskPool.mapEffect(Stream.make(1), () => never, options)),
    `${submitKnown}, unordered, bufferSize, spans`
  ],
  submitBlocking: [
    (options) => TaskPool.submitBlocking(noop, options),
    `${submitKnown}, args, executor, onInterrupt, timeout, transfer`
  ]
}

const bad: ReadonlyArray<readonly [option: string, value: unknown, error: new () => Error, message: string]> = [
  ["weight", 1.5, UnknownTaskWeight, "weight must be a safe integer, got 1.5"],
  ["weight", "1", UnknownTaskWeight, 'weight must be a safe integer, got "1"'],
  ["label", 5, TypeError, "label must be a string, got 5"],
  ["label", null, TypeError, "label must be a string, got null"],
  ["key", Number.NaN, TypeError, "key must be a string or a number, got NaN"],
  ["key", null, TypeError, "key must be a string or a number, got null"],
  ["key", true, TypeError, "key must be a string or a number, got true"],
  ["key", Symbol("k"), TypeError, "key must be a string or a number, got Symbol(k)"],
  ["permits", 0, RangeError, "permits must be an integer > 0, got 0"],
  ["permits", -1, RangeError, "permits must be an integer > 0, got -1"],
  ["permits", 1.5, RangeError, "permits must be an integer > 0, got 1.5"],
  ["permits", Infinity, RangeError, "permits must be an integer > 0, got Infinity"],
  ["permits", "2", RangeError, 'permits must be an integer > 0, got "2"'],
  ["cost", -1, RangeError, "cost must be a finite number >= 0, or an object of them, got -1"],
  ["cost", Number.NaN, RangeError, "cost must be a finite number >= 0, or an object of them, got NaN"],
  ["cost", Infinity, RangeError, "cost must be a finite number >= 0, or an object of them, got Infinity"],
  ["cost", null, RangeError, "cost must be a finite number >= 0, or an object of them, got null"],
  ["cost", { tokens: -1 }, RangeError, "cost.tokens must be a finite number >= 0, got -1"],
  ["cost", { apples: 1 }, RangeError, 'unknown unit "apples" (known: tokens)'],
  ["cost", [], RangeError, "cost must be a finite number >= 0, or an object of them, got []"],
  ["cost", Promise.resolve(1), RangeError, "cost must be a finite number >= 0, or an object of them, got a Promise"],
  ["maxWait", -1, RangeError, "maxWait must be a Duration >= 0, got -1"],
  ["maxWait", Number.NaN, RangeError, "maxWait must be a Duration >= 0, got NaN"],
  ["maxWait", { second: 5 }, RangeError, 'maxWait must be a Duration >= 0, got {"second":5}'],
  ["maxWait", { seconds: Number.NaN }, RangeError, 'maxWait must be a Duration >= 0, got {"seconds":NaN}'],
  ["maxWait", [Number.NaN, 5], RangeError, "maxWait must be a Duration >= 0, got [NaN,5]"],
  ["maxWait", "soon", RangeError, 'maxWait must be a Duration >= 0, got "soon"'],
  ["retry", 5, RangeError, "retry: options must be an object, got 5"],
  ["retry", null, RangeError, "retry: options must be an object, got null"],
  ["retry", { tries: 3 }, TypeError, 'retry: unknown option "tries" (known: schedule, times, while, until)'],
  ["retry", { times: -1 }, RangeError, "retry: times must be an integer >= 0 or Infinity, got -1"],
  ["retry", { times: 1.5 }, RangeError, "retry: times must be an integer >= 0 or Infinity, got 1.5"],
  ["retry", { while: true }, TypeError, "retry: while must be a function, got true"],
  ["retry", { until: 5 }, TypeError, "retry: until must be a function, got 5"],
  ["retry", { schedule: 5 }, TypeError, "retry.schedule must be a Schedule, got 5"]
]

const layers = [
  Executor.layerInline,
  AioFixedTaskPoolSimple.layer(1, { rate: { limit: 1e6, window: 1, unit: "tokens" } })
] as const

describe.for(Object.entries(operations))("the options of %s", ([operation, [call, known]]) => {
  it.effect("are refused where they are given, and change nothing (load 0)", () =>
    Effect.gen(function* () {
      for (const [option, value, error, message] of bad) {
        const defect = defectOf(yield* Effect.exit(call({ [option]: value })))
        assert.strictEqual((defect as Error).message, `TaskPool.${operation}: ${message}`)
        assert.instanceOf(defect, error)
      }
      assert.deepInclude(yield* TaskPool.stats, { submitted: 0, rejected: 0, waiting: 0, running: 0 })
    }).pipe(Effect.provide([...layers]))
  )

  it.effect("that are unknown are refused with a TypeError that names them and the known ones (load 11)", () =>
    Effect.gen(function* () {
      const defect = defectOf(yield* Effect.exit(call({ wieght: 1 })))
      assert.instanceOf(defect, TypeError)
      assert.strictEqual(defect.message, `TaskPool.${operation}: unknown option "wieght" (known: ${known})`)
      assert.instanceOf(defectOf(yield* Effect.exit(call(null))), RangeError)
    }).pipe(Effect.provide([...layers]))
  )

  it.effect("that are undefined are absent, known or not (load 11)", () =>
    Effect.gen(function* () {
      const absent = Object.fromEntries(known.split(", ").map((name) => [name, undefined]))
      const exit = yield* Effect.exit(call({ ...absent, wieght: undefined }))
      // The task ran.
      if (operation === "submitBlocking") assert.strictEqual(exit._tag, "Success")
      else if (operation !== "fork" && operation !== "submitNowait") assert.strictEqual(defectOf(exit), "never")
      yield* TaskPool.awaitIdle
      assert.deepInclude(yield* TaskPool.stats, { submitted: 1 })
    }).pipe(Effect.provide([...layers]))
  )
})

describe("the options of a submission", () => {
  it.effect("may be an object of a class, or inherit from another object", () =>
    Effect.gen(function* () {
      class Settings {
        get key() {
          return "a"
        }
      }
      for (const options of [
        new Settings(),
        Object.create({ key: "a" }),
        Object.assign(Object.create(null), { key: "a" })
      ]) {
        const task = gated("done")
        yield* start(TaskPool.submit(task.task, options))
        assert.deepStrictEqual(yield* TaskPool.statsOf("a"), { waiting: 0, running: 1 })
        yield* task.open
        yield* TaskPool.awaitIdle
      }
      for (const options of [
        Object.assign(new Settings(), { kye: "a" }),
        Object.assign(Object.create(null), { kye: "a" })
      ]) {
        assert.instanceOf(defectOf(yield* Effect.exit(TaskPool.submit(never, options))), TypeError)
      }
    }).pipe(Effect.provide([...layers]))
  )

  it.effect("are read once, because a getter is user code", () =>
    Effect.gen(function* () {
      const reads: Array<string> = []
      const values = { weight: 1, label: "a", key: "k", permits: 1, maxWait: 1, args: [] }
      const options = Object.create(Object.prototype)
      for (const [name, value] of Object.entries(values)) {
        Object.defineProperty(options, name, { enumerable: true, get: () => (reads.push(name), value) })
      }
      yield* TaskPool.submit(() => Effect.void, options)
      assert.deepStrictEqual(reads.sort(), Object.keys(values).sort())
    }).pipe(Effect.provide([...layers]))
  )
})

describe.for(Object.entries(operations))("the options of %s", ([operation, [call]]) => {
  it.effect("may be inherited, as from a class", () =>
    Effect.gen(function* () {
      // A wrong value shows that the option is read.
      class Settings {
        get permits() {
          return 0
        }
      }
      const defect = defectOf(yield* Effect.exit(call(new Settings())))
      assert.strictEqual((defect as Error).message, `TaskPool.${operation}: permits must be an integer > 0, got 0`)
    }).pipe(Effect.provide([...layers]))
  )
})

it.effect("the options of a pool may be inherited, as from a class", () =>
  Effect.gen(function* () {
    class Settings {
      get capacity() {
        return 7
      }
      get shutdown() {
        return new Shutdown()
      }
    }
    class Shutdown {
      get drainTimeout() {
        return "1 week"
      }
      get interruptTimeout() {
        return -1
      }
    }
    const message = /interruptTimeout must be a Duration >= 0, got -1/
    assert.throws(() => AioFixedTaskPoolSimple.layer(1, new Settings() as object), message)
    assert.throws(() => AioAutoScaleTaskPoolSimple.layer(new Settings() as object), message)
    const layer = AioFixedTaskPoolSimple.layer(1, Object.create({ capacity: 7 }))
    assert.deepInclude(yield* Effect.provide(TaskPool.stats, layer), { capacity: 7, size: 1 })
  })
)

describe("the options of the other operations", () => {
  const calls: ReadonlyArray<readonly [name: string, known: string, call: Call]> = [
    ["scale", "mode", (options) => TaskPool.scale(1, options)],
    ["resize", "mode", (options) => TaskPool.resize(1, options)],
    ["close", "mode, drainTimeout, interruptTimeout, collect", (options) => TaskPool.close(options)],
    ["clear", "key, label", (options) => TaskPool.clear(options)]
  ]
  for (const [name, known, call] of calls) {
    it.effect(`${name}: an unknown one is refused (load 11)`, () =>
      Effect.gen(function* () {
        const before = yield* TaskPool.stats
        const defect = defectOf(yield* Effect.exit(call({ mood: "hard" })))
        assert.instanceOf(defect, TypeError)
        assert.strictEqual(defect.message, `TaskPool.${name}: unknown option "mood" (known: ${known})`)
        assert.deepStrictEqual(yield* TaskPool.stats, before)
        yield* call({ mood: undefined })
      }).pipe(Effect.provide([...layers]))
    )
  }

  it.effect("each operation checks its other arguments (load 0)", () =>
    Effect.gen(function* () {
      const wrong: ReadonlyArray<readonly [Effect.Effect<unknown, unknown, TaskPool>, string]> = [
        [TaskPool.holdFor(-1), "TaskPool.holdFor: duration must be a Duration >= 0, got -1"],
        [TaskPool.holdFor("soon" as never), 'TaskPool.holdFor: duration must be a Duration >= 0, got "soon"'],
        [TaskPool.statsOf(null as never), "TaskPool.statsOf: key must be a string or a number, got null"],
        [
          TaskPool.adjustCost(Number.NaN),
          "TaskPool.adjustCost: cost must be a finite number, or an object of them, got NaN"
        ],
        [
          TaskPool.adjustCost({ tokens: Infinity }),
          "TaskPool.adjustCost: cost.tokens must be a finite number, got Infinity"
        ],
        [TaskPool.adjustCost({ apples: 1 }), 'TaskPool.adjustCost: unknown unit "apples" (known: tokens)'],
        [TaskPool.close({ collect: "no" as never }), 'TaskPool.close: collect must be a boolean, got "no"'],
        [
          TaskPool.forEach([1], () => never, { discard: "no" as never }),
          'TaskPool.forEach: discard must be a boolean, got "no"'
        ],
        [
          TaskPool.forEach([1], () => never, { unordered: 1 as never }),
          "TaskPool.forEach: unordered must be a boolean, got 1"
        ],
        [
          Stream.runDrain(TaskPool.mapEffect(Stream.make(1), () => never, { unordered: 1 as never })),
          "TaskPool.mapEffect: unordered must be a boolean, got 1"
        ],
        [
          Stream.runDrain(TaskPool.mapEffect(Stream.make(1), () => never, { bufferSize: null as never })),
          "TaskPool.mapEffect: bufferSize must be an integer > 0 or Infinity, got null"
        ],
        [TaskPool.forEach([1], 5 as never), "TaskPool.forEach: f must be a function, got 5"],
        [
          Stream.runDrain(TaskPool.mapEffect(Stream.make(1), 5 as never)),
          "TaskPool.mapEffect: f must be a function, got 5"
        ],
        [
          Stream.runDrain(TaskPool.mapEffect([1, 2] as never, () => never)),
          "TaskPool.mapEffect: stream must be a Stream, got [1,2]"
        ],
        [
          Stream.runDrain(TaskPool.mapEffect(() => never)([1] as never)),
          "TaskPool.mapEffect: stream must be a Stream, got [1]"
        ],
        [TaskPool.withPaused("x" as never), 'TaskPool.withPaused: effect must be an Effect, got "x"'],
        [TaskPool.withDispatchHeld(null as never), "TaskPool.withDispatchHeld: effect must be an Effect, got null"],
        [TaskPool.withQuiesced(5 as never), "TaskPool.withQuiesced: effect must be an Effect, got 5"],
        [
          TaskPool.submitBlocking(noop, { executor: 5 as never }) as Effect.Effect<unknown, unknown, TaskPool>,
          "TaskPool.submitBlocking: executor must be the tag of an Executor, got 5"
        ],
        [TaskPool.awaitStats("idle" as never), 'TaskPool.awaitStats: predicate must be a function, got "idle"']
      ]
      for (const [effect, message] of wrong) {
        assert.strictEqual((defectOf(yield* Effect.exit(effect)) as Error).message, message)
      }
      assert.deepInclude(yield* TaskPool.stats, { phase: "Open", holds: [] })
    }).pipe(Effect.provide([...layers]))
  )
})

describe("all", () => {
  it.effect("refuses what is neither an Iterable nor a record, and runs nothing", () =>
    Effect.gen(function* () {
      const asynchronous = async function* () {
        yield never
      }
      const rejected = Promise.reject(new Error("no process ends of this"))
      for (const effects of [Promise.resolve([never]), rejected, asynchronous(), () => [never], "x", 5, null]) {
        const defect = defectOf(yield* Effect.exit(TaskPool.all(effects as never)))
        assert.instanceOf(defect, TypeError)
        assert.include(defect.message, "TaskPool.all: effects must be an Iterable or a record, got ")
      }
      assert.strictEqual((yield* TaskPool.stats).submitted, 0)
    }).pipe(Effect.provide([...layers]))
  )

  for (const name of ["weight", "label", "key", "permits", "cost"]) {
    it.effect(`refuses a function as ${name}, because its effects are no items (load 0)`, () =>
      Effect.gen(function* () {
        const exit = yield* Effect.exit(TaskPool.all([never], { [name]: () => 1 }))
        const defect = defectOf(exit)
        assert.instanceOf(defect, TypeError)
        assert.strictEqual(
          defect.message,
          `TaskPool.all: ${name} must be a value: only forEach and mapEffect take functions of the item`
        )
        assert.strictEqual((yield* TaskPool.stats).submitted, 0)
      }).pipe(Effect.provide([...layers]))
    )
  }
})

it.effect("a large value does not fill the message, and so the logs (load 0)", () =>
  Effect.gen(function* () {
    const large: any = { password: "p".repeat(1000), rows: Array.from({ length: 1000 }, (_, id) => ({ id })) }
    const calls: ReadonlyArray<Effect.Effect<unknown, unknown, TaskPool>> = [
      TaskPool.submit(large, {}),
      TaskPool.submit(never, { weight: large }),
      TaskPool.submit(never, { cost: large }),
      TaskPool.submit(never, { maxWait: large }),
      TaskPool.submit(never, { retry: { schedule: large } }),
      TaskPool.holdFor(large),
      TaskPool.forEach(large, () => never)
    ]
    for (const call of calls) assert.isBelow((defectOf(yield* Effect.exit(call)) as Error).message.length, 250)
  }).pipe(Effect.provide([...layers]))
)

it.effect("a Duration may be an object whose prototype has the units, like those of Temporal", () =>
  Effect.gen(function* () {
    class Span {
      get hours() {
        return 2
      }
    }
    const handle = yield* Effect.flatMap(TaskPool.fork(Effect.never), () =>
      TaskPool.fork(never, { maxWait: new Span() })
    )
    yield* TestClock.adjust("119 minutes")
    assert.strictEqual(yield* handle.state, "Waiting")
    yield* TestClock.adjust("1 minute")
    assert.strictEqual(yield* handle.state, "Done")
    yield* TaskPool.close({ mode: "interrupt" })
  }).pipe(Effect.provide(AioFixedTaskPoolSimple.layer(1)))
)

const fixed = { AioFixedTaskPoolSimple, AioFixedTaskPoolLifo, AioFixedTaskPoolPriority }
const autoScale = { AioAutoScaleTaskPoolSimple, AioAutoScaleTaskPoolLifo, AioAutoScaleTaskPoolPriority }
const common =
  "name, tag, capacity, onFull, startPaused, shutdown, classify, nested, rate, perKey, ageing, warnAfter, spans, timing"

describe.for(Object.entries(fixed))("%s", ([kind, { layer }]) => {
  it("refuses options after options, and a size after a size", () => {
    assert.throws(
      () => layer({ size: 3 } as never, { capcity: 1 } as never),
      TypeError,
      `${kind}.layer: options must be a single object, got [{"size":3},{"capcity":1}]`
    )
    for (const size of [3, undefined]) {
      assert.throws(
        () => layer(size, { size: 4 } as never),
        TypeError,
        `${kind}.layer: unknown option "size" (known: ${common})`
      )
      layer(size, { size: undefined } as never)
    }
  })
})

describe.for(Object.entries({ ...fixed, ...autoScale }))("%s", ([kind, pool]) => {
  const { layer, layerConfig, make } = pool as typeof AioFixedTaskPoolSimple
  const wrong: ReadonlyArray<readonly [options: object, error: new () => Error, message: string]> = [
    [{ tag: "app/Db" }, TypeError, 'tag must be a tag, got "app/Db"'],
    [{ tag: 5n }, TypeError, "tag must be a tag, got 5n"],
    [{ tag: Symbol("Db") }, TypeError, "tag must be a tag, got Symbol(Db)"],
    [{ tag: null }, TypeError, "tag must be a tag, got null"],
    [{ capacity: 5n }, RangeError, "capacity must be an integer >= 0 or Infinity, got 5n"],
    [{ name: 5 }, TypeError, "name must be a string, got 5"],
    [{ name: null }, TypeError, "name must be a string, got null"],
    [{ onFull: "drop" }, RangeError, 'onFull must be "suspend" or "fail" or "dropOldest", got "drop"'],
    [{ nested: "borrow" }, RangeError, 'nested must be "lend" or "fail" or "queue", got "borrow"'],
    [{ perKey: 0 }, RangeError, "perKey must be an integer > 0 or Infinity, got 0"],
    [{ perKey: 1.5 }, RangeError, "perKey must be an integer > 0 or Infinity, got 1.5"],
    [{ rate: 5 }, RangeError, "rate must be an object, got 5"],
    [{ rate: [] }, RangeError, "rate must be a Rate or a non-empty array of them, got []"],
    [{ rate: { limit: 0, window: 1 } }, RangeError, "rate.limit must be a finite number > 0, got 0"],
    [{ rate: { limit: Infinity, window: 1 } }, RangeError, "rate.limit must be a finite number > 0, got Infinity"],
    [{ rate: { limit: 1, window: 0 } }, RangeError, "rate.window must be a Duration > 0, got 0"],
    [{ rate: { limit: 1, window: Infinity } }, RangeError, "rate.window must be a finite Duration, got Infinity"],
    [
      {
        rate: [
          { limit: 1, window: 1 },
          { limit: 1, window: 1, unit: "" }
        ]
      },
      RangeError,
      'rate[1].unit must be a non-empty string, got ""'
    ],
    [{ rate: { limit: 1, per: 1 } }, TypeError, 'rate: unknown option "per" (known: limit, window, unit)'],
    [{ startPaused: "false" }, TypeError, 'startPaused must be a boolean, got "false"'],
    [{ timing: 1 }, TypeError, "timing must be a boolean, got 1"],
    [{ classify: "429" }, TypeError, 'classify must be a function, got "429"'],
    [{ shutdown: { onInterrupt: "wait" } }, RangeError, 'onInterrupt must be "interrupt" or "drain", got "wait"'],
    [
      { shutdown: { drainTimout: 1 } },
      TypeError,
      'shutdown: unknown option "drainTimout" (known: drainTimeout, interruptTimeout, onInterrupt)'
    ]
  ]

  const wrongSize: typeof wrong =
    kind in fixed
      ? [[{ size: 5n }, RangeError, "size must be an integer >= 0 or Infinity, got 5n"]]
      : [
          [{ minSize: 5n }, RangeError, "minSize must be an integer >= 0, got 5n"],
          [{ minSize: Symbol("s") }, RangeError, "minSize must be an integer >= 0, got Symbol(s)"],
          [{ maxSize: 5n }, RangeError, "maxSize must be an integer >= 0 or Infinity, got 5n"],
          [{ policy: null }, TypeError, "policy must be an AutoScalePolicy, got null"],
          [{ policy: AutoScalePolicy.adaptive }, TypeError, "policy must be an AutoScalePolicy, got "],
          [{ policy: {} }, TypeError, "policy.name must be a string, got undefined"],
          [{ policy: { ...AutoScalePolicy.score, update: 5 } }, TypeError, "policy.update must be a function, got 5"]
        ]

  it("refuses each bad option where it is given (load 0)", () => {
    for (const [options, error, message] of [...wrong, ...wrongSize]) {
      for (const [name, construct] of [
        ["make", make],
        ["layer", layer]
      ] as const) {
        try {
          construct(options as never)
        } catch (thrown) {
          assert.include((thrown as Error).message, `${kind}.${name}: ${message}`)
          assert.instanceOf(thrown, error)
          continue
        }
        assert.fail(`nothing was thrown: ${message}`)
      }
    }
  })

  it.effect("fails with ConfigError when they come from Config (load 0)", () =>
    Effect.gen(function* () {
      for (const [options, , message] of wrong) {
        const wrapped = Config.succeed(options as never)
        const error = failureOf(yield* Effect.exit(Effect.provide(TaskPool.stats, layerConfig(wrapped))))
        assert.instanceOf(error, Config.ConfigError)
        assert.include(error.message, `${kind}.layerConfig: ${message}`)
      }
    })
  )

  it("refuses an option that it does not know with a TypeError that names it and the known ones (load 11)", () => {
    const own = kind in fixed ? "size" : "minSize, maxSize, interval, policy"
    const known = `${own}, ${common}`
    for (const [name, construct] of [
      ["make", make],
      ["layer", layer]
    ] as const) {
      assert.throws(
        () => construct({ capasity: 5 } as never),
        TypeError,
        `${kind}.${name}: unknown option "capasity" (known: ${known})`
      )
      construct({ capasity: undefined } as never)
    }
    assert.throws(
      () => layerConfig(Config.succeed({}) as never, { tagg: TaskPool } as never),
      TypeError,
      `${kind}.layerConfig: unknown option "tagg" (known: tag)`
    )
    layerConfig(Config.succeed({}) as never, { tagg: undefined } as never)
  })

  it("refuses what is no Config at the call of layerConfig", () => {
    const wrong: ReadonlyArray<readonly [config: unknown, message: string]> = [
      [undefined, "config must be a Config or a record of them, got undefined"],
      [null, "config must be a Config or a record of them, got null"],
      [3, "config must be a Config or a record of them, got 3"],
      [[], "config must be a Config or a record of them, got []"],
      [Promise.resolve({}), "config must be a Config or a record of them, got a Promise"],
      [{ capacity: 3 }, "config.capacity must be a Config or a record of them, got 3"],
      [
        { shutdown: { onInterrupt: null } },
        "config.shutdown.onInterrupt must be a Config or a record of them, got null"
      ]
    ]
    for (const [config, message] of wrong) {
      assert.throws(() => layerConfig(config as never), TypeError, `${kind}.layerConfig: ${message}`)
    }
    layerConfig({ capacity: undefined } as never)
  })

  it.effect("takes every option as undefined, which is its default (load 11)", () =>
    Effect.gen(function* () {
      const names = `size, minSize, maxSize, interval, policy, ${common}`.split(", ")
      const absent = Object.fromEntries(names.map((name) => [name, undefined]))
      const numbers = (options: object) => Effect.provide(TaskPool.stats, layer(options as never), { local: true })
      assert.deepStrictEqual(yield* numbers(absent), yield* numbers({}))
      const shutdown = { drainTimeout: undefined, interruptTimeout: undefined, onInterrupt: undefined }
      const rate = { limit: 1, window: 1, unit: undefined }
      assert.deepStrictEqual(yield* numbers({ ...absent, shutdown, rate }), yield* numbers({}))
    })
  )
})

describe("Infinity", () => {
  for (const [kind, pool] of Object.entries(fixed)) {
    const { layer, layerConfig, make } = pool
    it.effect(`is a size of ${kind}, by every constructor (load 11)`, () =>
      Effect.gen(function* () {
        const check = Effect.gen(function* () {
          assert.deepInclude(yield* TaskPool.stats, { size: Infinity, targetSize: Infinity, largestSize: Infinity })
          const gate = gated("done")
          const caller = yield* start(TaskPool.forEach(Array.from({ length: 500 }), () => gate.task, { discard: true }))
          yield* settle
          assert.deepInclude(yield* TaskPool.stats, { running: 500, waiting: 0 })
          yield* gate.open
          yield* Effect.yieldNow
          yield* settle
          assert.isDefined(caller.pollUnsafe())
        })
        yield* Effect.provide(check, layer(Infinity), { local: true })
        yield* Effect.provide(check, layer({ size: Infinity }), { local: true })
        yield* Effect.provide(check, layerConfig(Config.succeed(Infinity)), { local: true })
        const { targetSize } = yield* Effect.scoped(Effect.flatMap(make({ size: Infinity }), ({ stats }) => stats))
        assert.strictEqual(targetSize, Infinity)
      })
    )
  }
  for (const [kind, { layer }] of Object.entries(autoScale)) {
    it.effect(`is a maxSize of ${kind}, and no minSize (load 11)`, () =>
      Effect.gen(function* () {
        const check = Effect.gen(function* () {
          assert.deepInclude(yield* TaskPool.stats, { targetSize: 2 })
          assert.strictEqual(yield* TaskPool.resize(1000), 1000)
          assert.strictEqual(yield* TaskPool.resize(Infinity), Infinity)
          assert.strictEqual(yield* TaskPool.scale(-5), Infinity)
          assert.strictEqual(yield* TaskPool.resize(0), 2)
        })
        yield* Effect.provide(check, layer({ minSize: 2, maxSize: Infinity }))
        assert.throws(() => layer({ minSize: Infinity }), RangeError, "minSize must be an integer >= 0, got Infinity")
      })
    )
  }

  it.effect("is the size of a buffer, and how often a task is tried again (load 11)", () =>
    Effect.gen(function* () {
      const mapped = TaskPool.mapEffect(Stream.range(1, 100), (i) => Effect.succeed(i), { bufferSize: Infinity })
      assert.strictEqual((yield* Stream.runCollect(mapped)).length, 100)
      for (const bufferSize of [0, 1.5, Number.NaN]) {
        const wrong = Stream.runDrain(TaskPool.mapEffect(Stream.make(1), () => Effect.void, { bufferSize }))
        assert.include(
          String(defectOf(yield* Effect.exit(wrong))),
          "TaskPool.mapEffect: bufferSize must be an integer > 0 or Infinity"
        )
      }
      let attempts = 0
      const task = Effect.suspend(() => (++attempts < 5 ? Effect.fail("no") : Effect.succeed(attempts)))
      assert.strictEqual(yield* TaskPool.submit(task, { retry: { times: Infinity } }), 5)
      attempts = 0
      assert.strictEqual(yield* TaskPool.submit(task, { retry: Schedule.forever }), 5)
    }).pipe(Effect.provide(AioFixedTaskPoolSimple.layer(1)))
  )
})
