// The metrics as the writers of Effect give them out: the text for Prometheus, and OTLP over a real socket.
import { settle } from "@aio-task-pool/testing/kit"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import { FetchHttpClient } from "effect/http"
import { Otlp, OtlpExporter, PrometheusMetrics } from "effect/observability"
import { TestClock } from "effect/testing"
import { once } from "node:events"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import {
  AioAutoScaleTaskPoolSimple,
  AioFixedTaskPoolSimple,
  type AutoScalePolicy,
  PoolRegistry,
  TaskPoolMetrics
} from "../src/index.ts"
import { promtool } from "./promtool.ts"

/** Runs an effect with registries of its own. */
const alone = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.flatMap(PoolRegistry.make, (registry) =>
    effect.pipe(
      Effect.provideService(PoolRegistry, registry),
      Effect.provideService(Metric.MetricRegistry, new Map<string, any>())
    )
  )

const everyTwoSeconds: AutoScalePolicy.AutoScalePolicy<null> = {
  name: "spy",
  initial: () => null,
  window: () => ({ interval: 2000, minSamples: 0, maxInterval: 2000, runFactor: 0, overloads: Infinity }),
  update: () => [null, { size: 4, reason: "SPY", evidence: { before: 1, base: 20 } }]
}

/** Two pools with everything that metrics show, and an executor. */
const program = Effect.gen(function* () {
  const mail = yield* AioFixedTaskPoolSimple.make({ name: "mail", size: 1, capacity: 1, shutdown: { drainTimeout: 0 } })
  const fetch = yield* AioAutoScaleTaskPoolSimple.make({
    name: "fetch",
    minSize: 1,
    maxSize: 10,
    policy: everyTwoSeconds,
    classify: (exit) => (exit._tag === "Success" ? "success" : "overload")
  })
  yield* mail.submit(Effect.void)
  yield* Effect.exit(fetch.submit(Effect.fail("too many")))
  yield* mail.fork(Effect.sleep("1 hour"))
  yield* mail.fork(Effect.void)
  yield* Effect.exit(mail.submitNowait(Effect.void))
  yield* PoolRegistry.registerExecutor({
    name: "hashes",
    stats: Effect.succeed({
      threads: 3,
      starting: 1,
      ending: 0,
      running: 2,
      waiting: 5,
      settled: 7,
      replaced: 1
    } as any),
    threads: Effect.succeed([])
  })
  return { mail, fetch }
})

const lines = (text: string, name: string): ReadonlyArray<string> =>
  text.split("\n").filter((line) => line.startsWith(name))

describe("the metrics in the format of Prometheus", () => {
  it.effect("have the names, the labels and the values of the contract", () =>
    alone(
      Effect.gen(function* () {
        yield* program
        yield* TestClock.adjust(3000)
        yield* settle
        const text = yield* PrometheusMetrics.format()
        const metrics = text
          .split("\n")
          .filter((line) => line.startsWith("# TYPE"))
          .map((line) => line.split(" ").slice(2).join(" "))
          .sort()
        assert.deepStrictEqual(metrics, [
          "task_executor_replaced_threads_total counter",
          "task_executor_running_jobs gauge",
          "task_executor_settled_jobs_total counter",
          "task_executor_threads gauge",
          "task_executor_waiting_jobs gauge",
          "task_pool_base_time_seconds gauge",
          "task_pool_decisions_total counter",
          "task_pool_delayed_tasks gauge",
          "task_pool_ended_tasks_total counter",
          "task_pool_oldest_run_seconds gauge",
          "task_pool_oldest_wait_seconds gauge",
          "task_pool_open_pools gauge",
          "task_pool_overloads_total counter",
          "task_pool_phase gauge",
          "task_pool_queue_capacity gauge",
          "task_pool_queue_time_seconds histogram",
          "task_pool_rejected_tasks_total counter",
          "task_pool_run_time_seconds histogram",
          "task_pool_running_tasks gauge",
          "task_pool_size gauge",
          "task_pool_size_limit gauge",
          "task_pool_submitted_tasks_total counter",
          "task_pool_target_size gauge",
          "task_pool_waiting_tasks gauge"
        ])
        for (const line of [
          'task_pool_open_pools{task_pool_name="mail"} 1',
          'task_pool_size_limit{bound="max",task_pool_name="fetch"} 10',
          'task_pool_size_limit{bound="min",task_pool_name="fetch"} 1',
          'task_pool_target_size{task_pool_name="fetch"} 4',
          'task_pool_queue_capacity{task_pool_name="mail"} 1',
          'task_pool_waiting_tasks{place="queue",task_pool_name="mail"} 1',
          'task_pool_waiting_tasks{place="door",task_pool_name="mail"} 0',
          'task_pool_ended_tasks_total{outcome="failed",task_pool_name="fetch"} 1',
          'task_pool_rejected_tasks_total{reason="QueueFull",task_pool_name="mail"} 1',
          'task_pool_decisions_total{reason="SPY",task_pool_name="fetch"} 1',
          'task_pool_overloads_total{task_pool_name="fetch"} 1',
          'task_pool_base_time_seconds{task_pool_name="fetch"} 0.02',
          'task_pool_oldest_wait_seconds{task_pool_name="mail"} 3',
          'task_pool_queue_time_seconds_bucket{le="0.001",task_pool_name="mail"} 2',
          'task_pool_queue_time_seconds_bucket{le="262.144",task_pool_name="mail"} 2',
          'task_pool_queue_time_seconds_bucket{le="+Inf",task_pool_name="mail"} 2',
          'task_pool_phase{phase="open",task_pool_name="mail"} 1',
          'task_executor_threads{state="ready",task_executor_name="hashes"} 3',
          'task_executor_threads{state="starting",task_executor_name="hashes"} 1',
          'task_executor_running_jobs{task_executor_name="hashes"} 2',
          'task_executor_waiting_jobs{task_executor_name="hashes"} 5',
          'task_executor_settled_jobs_total{task_executor_name="hashes"} 7',
          'task_executor_replaced_threads_total{task_executor_name="hashes"} 1'
        ]) {
          assert.include(text.split("\n").map(sorted), line)
        }
        assert.deepStrictEqual(lines(text, 'task_pool_size_limit{task_pool_name="mail"'), [])
        assert.deepStrictEqual(lines(text, 'task_pool_queue_capacity{task_pool_name="fetch"'), [])
      }).pipe(Effect.scoped, Effect.provide(TaskPoolMetrics.layer, { local: true }))
    )
  )

  it.effect.skipIf(promtool.isMissing)("pass promtool check metrics", () =>
    alone(
      Effect.gen(function* () {
        yield* program
        yield* TestClock.adjust(3000)
        yield* settle
        const text = yield* PrometheusMetrics.format()
        const result = promtool.run(["check", "metrics", "--extended"], text)
        assert.strictEqual(result.stderr.trim(), "")
        assert.strictEqual(result.status, 0)
        // A name that breaks the rules must be found, or the check would mean nothing.
        assert.notStrictEqual(promtool.run(["check", "metrics"], "# TYPE a_total gauge\na_total 1\n").status, 0)
      }).pipe(Effect.scoped, Effect.provide(TaskPoolMetrics.layer, { local: true }))
    )
  )

  it.effect("show no size of a pool without a limit, also beside a pool of the same name that has one", () =>
    alone(
      Effect.gen(function* () {
        yield* AioFixedTaskPoolSimple.make({ name: "wide", size: Infinity })
        const metrics = Effect.map(
          PrometheusMetrics.format(),
          (text) => new Set(lines(text, "task_pool").map((line) => line.split("{")[0]!))
        )
        const sizes = ["task_pool_size", "task_pool_target_size", "task_pool_queue_capacity"]
        for (const name of sizes) assert.isFalse((yield* metrics).has(name), name)
        assert.isTrue((yield* metrics).has("task_pool_running_tasks"))

        yield* AioFixedTaskPoolSimple.make({ name: "wide", size: 2, capacity: 3 })
        for (const name of sizes) assert.isFalse((yield* metrics).has(name), name)
      }).pipe(Effect.provide(TaskPoolMetrics.layer))
    )
  )

  it.effect("lose the sizes of a pool that is resized to no limit, and get those of one that has a limit now", () =>
    alone(
      Effect.gen(function* () {
        const narrow = yield* AioFixedTaskPoolSimple.make({ name: "narrow", size: 2 })
        const wide = yield* AioFixedTaskPoolSimple.make({ name: "wide", size: Infinity })
        const sizes = Effect.map(PrometheusMetrics.format(), (text) =>
          lines(text, "task_pool").filter((line) => /^task_pool_(target_)?size\{/.test(line))
        )
        const sizesOf = (name: string, size: number) => [
          `task_pool_size{task_pool_name="${name}"} ${size}`,
          `task_pool_target_size{task_pool_name="${name}"} ${size}`
        ]
        yield* narrow.resize(Infinity)
        yield* wide.resize(5)
        // The scrape that sees the change repeats the last value.
        assert.sameMembers([...(yield* sizes)], sizesOf("narrow", 2))
        assert.sameMembers([...(yield* sizes)], sizesOf("wide", 5))

        yield* narrow.resize(3)
        yield* wide.resize(Infinity)
        assert.sameMembers([...(yield* sizes)], sizesOf("wide", 5))
        assert.sameMembers([...(yield* sizes)], sizesOf("narrow", 3))
      }).pipe(Effect.scoped, Effect.provide(TaskPoolMetrics.layer, { local: true }))
    )
  )

  it.effect("show at most 200 names, and the rest as one, whose counters never fall", () =>
    alone(
      Effect.gen(function* () {
        for (let i = 0; i < 203; i++) {
          yield* Effect.scoped(
            Effect.flatMap(AioFixedTaskPoolSimple.make({ name: `pool ${i}` }), (pool) => pool.submit(Effect.void))
          )
        }
        const submitted = lines(yield* PrometheusMetrics.format(), "task_pool_submitted_tasks_total")
        assert.strictEqual(submitted.length, 201)
        assert.include(submitted, 'task_pool_submitted_tasks_total{task_pool_name="_other"} 3')
        const pool = yield* AioFixedTaskPoolSimple.make({ name: "pool 202" })
        yield* pool.submit(Effect.void)
        const text = yield* PrometheusMetrics.format()
        assert.include(text, 'task_pool_submitted_tasks_total{task_pool_name="_other"} 4')
        assert.include(text, 'task_pool_open_pools{task_pool_name="_other"} 1')
      }).pipe(Effect.scoped, Effect.provide(TaskPoolMetrics.layer, { local: true }))
    )
  )

  it.effect("count the tasks of executors that have closed, and lose their gauges", () =>
    alone(
      Effect.gen(function* () {
        const stats = Effect.succeed({
          threads: 1,
          starting: 0,
          ending: 0,
          running: 0,
          waiting: 0,
          settled: 5,
          replaced: 0
        } as any)
        for (let i = 0; i < 2; i++) {
          yield* Effect.scoped(PoolRegistry.registerExecutor({ name: "hashes", stats, threads: Effect.succeed([]) }))
        }
        const text = yield* PrometheusMetrics.format()
        assert.include(text, 'task_executor_settled_jobs_total{task_executor_name="hashes"} 10')
        assert.strictEqual(text.includes("task_executor_threads"), false)
      }).pipe(Effect.scoped, Effect.provide(TaskPoolMetrics.layer, { local: true }))
    )
  )
})

/** Sorts the labels of a line. */
const sorted = (line: string): string =>
  line.replace(/\{(.*)\}/, (_, labels: string) => `{${labels.split(",").sort().join(",")}}`)

interface Received {
  readonly path: string
  readonly type: string | undefined
  readonly body: Buffer
}

/** A collector on a real socket, which keeps what it receives. */
const collector = Effect.acquireRelease(
  Effect.promise(async () => {
    const received: Array<Received> = []
    const server = createServer(async (request, response) => {
      const chunks: Array<Buffer> = []
      for await (const chunk of request) chunks.push(chunk as Buffer)
      received.push({ path: request.url!, type: request.headers["content-type"], body: Buffer.concat(chunks) })
      response.writeHead(200, { "content-type": "application/json" }).end("{}")
    })
    server.listen(0, "127.0.0.1")
    await once(server, "listening")
    return { received, server, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` }
  }),
  ({ server }) => Effect.promise(async () => void server.close())
)

/** Names and units of the metrics in a message of OTLP as JSON. */
const ofJson = ({ body }: Received): ReadonlyArray<readonly [name: string, unit: string]> =>
  JSON.parse(body.toString()).resourceMetrics.flatMap((resource: any) =>
    resource.scopeMetrics.flatMap(({ metrics }: any) => metrics.map(({ name, unit }: any) => [name, unit]))
  )

/** The fields of a message in the encoding of protobuf: numbers and bytes by field number. */
const fieldsOf = (bytes: Uint8Array): ReadonlyArray<readonly [field: number, bytes: Uint8Array]> => {
  const fields: Array<readonly [number, Uint8Array]> = []
  let at = 0
  const varint = (): number => {
    let [value, factor] = [0, 1]
    for (;;) {
      const byte = bytes[at++]!
      value += (byte & 0x7f) * factor
      if (byte < 0x80) return value
      factor *= 128
    }
  }
  while (at < bytes.length) {
    const tag = varint()
    const length = [0, 8, 0, 0, 0, 4][tag & 7]!
    if ((tag & 7) === 0) varint()
    else if ((tag & 7) === 2) {
      const size = varint()
      fields.push([Math.floor(tag / 8), bytes.subarray(at, at + size)])
      at += size
    } else at += length
  }
  return fields
}

/** Names and units of the metrics in a message of OTLP as protobuf. */
const ofProtobuf = ({ body }: Received): ReadonlyArray<readonly [name: string, unit: string]> => {
  const within = (messages: ReadonlyArray<Uint8Array>, field: number): ReadonlyArray<Uint8Array> =>
    messages.flatMap((message) =>
      fieldsOf(message)
        .filter(([number]) => number === field)
        .map(([, bytes]) => bytes)
    )
  const text = (message: Uint8Array, field: number): string => Buffer.concat(within([message], field)).toString()
  return within(within(within([body], 1), 2), 2).map((metric) => [text(metric, 1), text(metric, 3)])
}

const textNames = (text: string): ReadonlyArray<string> =>
  text
    .split("\n")
    .filter((line) => line.startsWith("# TYPE"))
    .map((line) => line.split(" ")[2]!)

describe("the metrics in OTLP, at a collector behind a real socket", () => {
  const ways = {
    json: { layer: Otlp.layerJson, type: "application/json", read: ofJson },
    protobuf: { layer: Otlp.layerProtobuf, type: "application/x-protobuf", read: ofProtobuf }
  }
  for (const [name, { layer, read, type }] of Object.entries(ways)) {
    it.live(`have the names of the text for Prometheus, and their units: ${name}`, () =>
      alone(
        Effect.gen(function* () {
          const { received, url } = yield* collector
          const exporter = layer({ baseUrl: url, resource: { serviceName: "test" } }).pipe(
            Layer.provide(FetchHttpClient.layer)
          )
          // The exporter sends what it has when it closes, so the metrics must outlive it.
          const layers = Layer.provideMerge(exporter, TaskPoolMetrics.layer)
          const text = yield* Effect.gen(function* () {
            yield* program
            yield* (yield* OtlpExporter.Flusher).flush
            return yield* PrometheusMetrics.format()
          }).pipe(Effect.scoped, Effect.provide(layers, { local: true }))
          const messages = received.filter(({ path }) => path === "/v1/metrics")
          assert.isAtLeast(messages.length, 2)
          assert.strictEqual(messages[0]?.type, type)
          const sent = new Map(read(messages[0]!))
          assert.sameMembers(Array.from(sent.keys()), Array.from(textNames(text)))
          // The pools have closed by now: their gauges are gone, their totals are not.
          const last = new Map(read(messages.at(-1)!))
          assert.sameMembers(
            Array.from(last.keys()),
            textNames(text).filter((metric) => /_total$|queue_time|run_time/.test(metric))
          )
          assert.strictEqual(sent.get("task_pool_run_time_seconds"), "s")
          assert.strictEqual(sent.get("task_pool_submitted_tasks_total"), "{task}")
        }).pipe(Effect.scoped)
      )
    )
  }
})

describe("the layer of metrics", () => {
  it.effect("is a value, so two users of it share it", () =>
    alone(
      Effect.gen(function* () {
        const registry = yield* Metric.MetricRegistry
        const pool = yield* AioFixedTaskPoolSimple.make({ name: "mail" })
        yield* Effect.scoped(
          Effect.gen(function* () {
            yield* Layer.build(Layer.mergeAll(TaskPoolMetrics.layer, TaskPoolMetrics.layer))
            yield* pool.submit(Effect.void)
            const names = Array.from(registry.values(), ({ id }) => id).filter((id) => id === "task_pool_size")
            assert.deepStrictEqual(names, ["task_pool_size"])
          })
        )
        assert.strictEqual(registry.size, 0)
      }).pipe(Effect.scoped)
    )
  )

  it.effect("counts each task once when a registry is hidden and shown again beside another one", () =>
    Effect.gen(function* () {
      const metrics = new Map<string, any>()
      const [first, second] = [yield* PoolRegistry.make, yield* PoolRegistry.make]
      const makePool = AioAutoScaleTaskPoolSimple.make({
        name: "mail",
        timing: true,
        policy: everyTwoSeconds,
        classify: (exit) => (exit._tag === "Success" ? "success" : "overload")
      })
      const show = (registry: typeof first) =>
        Layer.build(Layer.fresh(TaskPoolMetrics.layer)).pipe(
          Effect.provideService(PoolRegistry, registry),
          Effect.provideService(Metric.MetricRegistry, metrics)
        )
      const text = Effect.provideService(PrometheusMetrics.format(), Metric.MetricRegistry, metrics)
      const pool = yield* Effect.provideService(makePool, PoolRegistry, first)
      const stats = { threads: 1, starting: 0, ending: 0, running: 0, waiting: 0, settled: 5, replaced: 2 } as any
      yield* Effect.provideService(
        PoolRegistry.registerExecutor({ name: "hashes", stats: Effect.succeed(stats), threads: Effect.succeed([]) }),
        PoolRegistry,
        first
      )
      const other = yield* Effect.provideService(AioFixedTaskPoolSimple.make({ name: "mail" }), PoolRegistry, second)
      yield* show(second)
      yield* other.submit(Effect.void)
      const totals = (tasks: number) =>
        Effect.gen(function* () {
          const decisions = (yield* pool.decisions(256)).length
          const found = (yield* text).split("\n").map(sorted)
          for (const line of [
            `task_pool_submitted_tasks_total{task_pool_name="mail"} ${tasks}`,
            `task_pool_ended_tasks_total{outcome="failed",task_pool_name="mail"} ${tasks - 1}`,
            `task_pool_overloads_total{task_pool_name="mail"} ${tasks - 1}`,
            `task_pool_run_time_seconds_count{task_pool_name="mail"} ${tasks}`,
            `task_pool_decisions_total{reason="SPY",task_pool_name="mail"} ${decisions}`,
            `task_executor_settled_jobs_total{task_executor_name="hashes"} 5`,
            `task_executor_replaced_threads_total{task_executor_name="hashes"} 2`
          ]) {
            assert.include(found, line)
          }
        })
      for (let shown = 1; shown <= 3; shown++) {
        yield* Effect.scoped(
          Effect.gen(function* () {
            yield* show(first)
            yield* Effect.exit(pool.submit(Effect.fail("too many")))
            yield* TestClock.adjust(3000)
            yield* settle
            yield* totals(1 + shown)
          })
        )
        // The other registry keeps the totals of the pools that it does not show any more.
        yield* totals(1 + shown)
        assert.include(yield* text, 'task_pool_open_pools{task_pool_name="mail"} 1')
      }
    }).pipe(Effect.scoped)
  )

  it.effect("makes the pools measure while it lives, those that are made before and after it", () =>
    alone(
      Effect.gen(function* () {
        const [before] = [yield* AioFixedTaskPoolSimple.make({ name: "before" })]
        const timing = (name: string) =>
          Effect.flatMap(PoolRegistry.pools, (pools) => {
            const pool = pools.find((pool) => pool.name === name)
            return pool?._tag === "Local" ? pool.timing : Effect.die(name)
          })
        assert.strictEqual(yield* timing("before"), undefined)
        yield* Effect.scoped(
          Effect.gen(function* () {
            yield* Layer.build(Layer.fresh(TaskPoolMetrics.layer))
            const after = yield* AioFixedTaskPoolSimple.make({ name: "after" })
            yield* before.submit(Effect.void)
            yield* after.submit(Effect.void)
            assert.strictEqual((yield* timing("before"))?.run.count, 1)
            assert.strictEqual((yield* timing("after"))?.run.count, 1)
          })
        )
        assert.strictEqual(yield* timing("before"), undefined)
      }).pipe(Effect.scoped)
    )
  )

  it.effect("gives the times of an idle pool as the same copy, which later tasks do not change", () =>
    alone(
      Effect.gen(function* () {
        const pool = yield* AioFixedTaskPoolSimple.make({ name: "mail", timing: true })
        const [entry] = yield* PoolRegistry.pools
        const timing = entry!._tag === "Local" ? entry!.timing : Effect.undefined
        yield* pool.submit(Effect.void)
        const before = yield* timing
        assert.strictEqual(yield* timing, before)
        yield* pool.submit(Effect.void)
        const after = yield* timing
        assert.deepStrictEqual(
          [before!.run.count, after!.run.count, before!.queue.count, after!.queue.count],
          [1, 2, 1, 2]
        )
        // The start of a task changes the queue time only.
        const task = yield* pool.fork(Effect.never)
        assert.deepStrictEqual([(yield* timing)!.queue.count, (yield* timing)!.run.count], [3, 2])
        yield* task.cancel
        assert.strictEqual((yield* timing)!.run.count, 3)
      }).pipe(Effect.scoped)
    )
  )

  it.effect("keeps policies from making series without end: of many reasons, most share one", () => {
    let decisions = 0
    const policy = {
      ...everyTwoSeconds,
      update: () => [null, { size: 1, reason: `reason ${decisions++}` }] as const
    } as any
    return alone(
      Effect.gen(function* () {
        const pool = yield* AioAutoScaleTaskPoolSimple.make({ name: "fetch", policy })
        for (let i = 0; i < 70; i++) {
          yield* pool.submit(Effect.void)
          yield* TestClock.adjust(3000)
          yield* settle
        }
        const text = yield* PrometheusMetrics.format()
        const reasons = lines(text, "task_pool_decisions_total")
        assert.isAbove(decisions, 60)
        // 48 by name, and the rest.
        assert.strictEqual(reasons.length, 49)
      }).pipe(Effect.scoped, Effect.provide(TaskPoolMetrics.layer, { local: true }))
    )
  })
})
