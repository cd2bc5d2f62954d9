import {
  DistributedTask,
  DistributedTaskPool,
  type SubmitOptions,
  type WorkerOptions
} from "@aio-task-pool/distributed"
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { format } from "effect/Formatter"
import * as Schema from "effect/Schema"
import { defectOf } from "../kit.ts"
import { Call, type DistributedLaws } from "./kit.ts"

const { proxy: revoked, revoke } = Proxy.revocable({}, {})
revoke()

const notPositive: ReadonlyArray<any> = [NaN, 0, -1, 1.5, 2 ** 53, Infinity, "1", null, revoked]
const noDuration: ReadonlyArray<any> = [
  NaN,
  -1,
  -Infinity,
  Infinity,
  "soon",
  "-1 second",
  -1n,
  null,
  {},
  { seconds: -1 },
  { seconds: NaN },
  { seconds: "1" },
  { secs: 1 },
  [-1, 0],
  [NaN, 0],
  Promise.resolve(1)
]

const wrongSubmits: ReadonlyArray<SubmitOptions> = [
  ...notPositive.map((attempts) => ({ attempts })),
  ...noDuration.map((delay) => ({ delay })),
  ...[...noDuration, 0].map((timeout) => ({ timeout })),
  ...noDuration.map((fixed) => ({ backoff: { fixed } })),
  ...noDuration.map((exponential) => ({ backoff: { exponential } })),
  { backoff: {} as never },
  { backoff: { fixed: 1, exponential: 1 } },
  { backoff: 5 as never }
]

const wrongWorkers: ReadonlyArray<WorkerOptions> = [
  ...notPositive.map((concurrency) => ({ concurrency })),
  ...notPositive.map((maxDeaths) => ({ concurrency: 1, maxDeaths })),
  ...(["lease", "stalledCheck", "unknownFor"] as const).flatMap((what) =>
    [...noDuration, 0].map((value) => ({ concurrency: 1, [what]: value }))
  ),
  ...(["drainTimeout", "interruptTimeout"] as const).flatMap((what) =>
    [NaN, -1, "soon", {}].map((value) => ({ concurrency: 1, shutdown: { [what]: value as never } }))
  )
]

/** What every pool refuses, and how. */
export const argumentLaws = (laws: DistributedLaws): void => {
  laws.law("options of tasks that are out of range die with RangeError, and nothing is sent", {}, (world) =>
    Effect.gen(function* () {
      const payload = world.payload(Effect.succeed(""))
      const { pool } = world
      const expectRefused = (use: Effect.Effect<unknown, unknown>, what: unknown) =>
        Effect.map(Effect.exit(use), (exit) => {
          const defect = defectOf(exit)
          assert.instanceOf(defect, RangeError, format(what))
          assert.match(defect.message, /^DistributedTaskPool\.(submit|fork|forEach)/)
        })
      for (const options of wrongSubmits) {
        yield* expectRefused(pool.submit(Call, payload, options), options)
        yield* expectRefused(pool.fork(Call, payload, options), options)
        yield* expectRefused(
          pool.forEach([1], Call, () => payload, options),
          options
        )
      }
      for (const window of notPositive) {
        yield* expectRefused(
          pool.forEach([1], Call, () => payload, { window }),
          window
        )
      }
      const { delayed, waiting } = yield* pool.stats
      assert.deepStrictEqual([delayed, waiting], [0, 0])
    })
  )

  laws.law("misspelled options and wrong values of other kinds die with TypeError", {}, ({ pool }) =>
    Effect.gen(function* () {
      const wrong: ReadonlyArray<Effect.Effect<unknown, unknown>> = [
        pool.submit(Call, "", { wieght: 1 } as never),
        pool.submit({ name: "call" } as never, ""),
        pool.submit(undefined as never, ""),
        pool.fork("call" as never, ""),
        pool.attach(null as never, "one"),
        pool.forEach(5 as never, Call, () => ""),
        pool.forEach([1], Call, "payload" as never),
        pool.close({ mod: "cancel" } as never)
      ]
      for (const use of wrong) assert.instanceOf(defectOf(yield* Effect.exit(use)), TypeError)
      assert.instanceOf(defectOf(yield* Effect.exit(pool.close({ mode: "fast" as never }))), RangeError)
      assert.strictEqual((yield* pool.stats).waiting, 0)
    })
  )

  laws.law("a getter among the options cannot change a value that was checked", {}, (world) =>
    Effect.gen(function* () {
      yield* world.worker()
      let reads = 0
      // The check of the names reads it too, to see whether it is given.
      const options = {
        get id() {
          return reads++ < 2 ? "checked" : ""
        }
      }
      const payload = world.payload(Effect.succeed("done"))
      assert.strictEqual(yield* world.pool.submit(Call, payload, options), "done")
      const handle = yield* world.pool.attach(Call, "checked")
      assert.strictEqual(yield* handle.join, "done")
      const thrown = {
        get weight(): number {
          throw new Error("hostile")
        }
      }
      const defect = defectOf(yield* Effect.exit(world.pool.submit(Call, payload, thrown)))
      assert.strictEqual((defect as Error).message, "hostile")
    })
  )

  laws.law("workers are refused like tasks", {}, (world) =>
    Effect.gen(function* () {
      const { handler, pool } = world
      for (const options of wrongWorkers) {
        const exit = yield* Effect.exit(Effect.scoped(pool.worker([handler], options)))
        assert.instanceOf(defectOf(exit), RangeError, format(options))
      }
      for (const handlers of [[handler, handler], [{}], "handlers", [null], [{ task: Call }]]) {
        const exit = yield* Effect.exit(Effect.scoped(pool.worker(handlers as never, { concurrency: 1 })))
        assert.instanceOf(defectOf(exit), TypeError)
      }
      assert.strictEqual((yield* pool.stats).workers, 0)
    })
  )

  it("the layer of a worker throws where it is made", () => {
    const handler = Call.handle(Effect.succeed)
    for (const options of wrongWorkers) {
      assert.throws(() => DistributedTaskPool.worker([handler], options), RangeError)
    }
    assert.throws(() => DistributedTaskPool.worker([handler, handler], { concurrency: 1 }), TypeError)
  })

  it("the declaration of a task throws where it is made", () => {
    for (const name of ["", "x".repeat(129), "a\nb", "\0", "\ud800", 5 as never]) {
      assert.throws(() => DistributedTask.make(name), RangeError)
    }
    assert.throws(() => DistributedTask.make("x", { payload: "string" as never }), TypeError)
    assert.throws(() => DistributedTask.make("x", { payloud: Schema.String } as never), TypeError)
    assert.throws(() => DistributedTask.make("x").handle(5 as never), TypeError)
  })
}
