import { describe, expectTypeOf, it } from "@effect/vitest"
import * as Config from "effect/Config"
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { Exit } from "effect/Exit"
import { pipe } from "effect/Function"
import type { Layer } from "effect/Layer"
import type { Option } from "effect/Option"
import type { Json as SchemaJson } from "effect/Schema"
import type { Scope } from "effect/Scope"
import type { Stream } from "effect/Stream"
import type { Blob } from "node:buffer"
import type { KeyObject, webcrypto, X509Certificate } from "node:crypto"
import type { BlockList, SocketAddress } from "node:net"
import type { RecordableHistogram } from "node:perf_hooks"
import {
  AioAutoScaleTaskPoolPriority,
  AioAutoScaleTaskPoolSimple,
  AioFixedTaskPoolPriority,
  AioFixedTaskPoolSimple,
  type AutoScalePolicy,
  type CloseReport,
  Executor,
  type ExecutorEntry,
  type ExecutorError,
  type ForEachOptions,
  type Job,
  type NotAvailable,
  type NotWaiting,
  type Operations,
  type PoolClosures,
  type PoolControl,
  type PoolDecision,
  type PoolEntry,
  type PoolEvent,
  type PoolInspection,
  type PoolJobs,
  PoolRegistry,
  type PoolStats,
  PromisePool,
  type PromiseTask,
  type PromiseTaskHandle,
  type Tag,
  type TaskCancelled,
  type TaskHandle,
  TaskPool,
  type TaskPoolService,
  type TaskState
} from "../src/index.ts"

// The compiler is the judge here: these functions are checked, and never run.
const checked = (_check: () => void): void => {}

class Database extends Context.Service<Database, { readonly url: string }>()("test/Database") {}
class DbPool extends TaskPool.Tag<DbPool>()("test/DbPool") {}

type Broken = { readonly _tag: "Broken" }
declare const task: Effect.Effect<number, Broken, Database>
declare const thunk: () => Effect.Effect<number, Broken, Database>
declare const query: (table: string, limit: number) => Effect.Effect<number, Broken, Database>
declare const optional: (table: string, limit?: number) => Effect.Effect<number>
declare const variadic: (...ids: ReadonlyArray<number>) => Effect.Effect<number>
declare const generic: <A>(value: A) => Effect.Effect<A>
declare const pool: TaskPool["Service"]

type Submitted<Self> = Effect.Effect<number, Broken | NotAvailable | TaskCancelled, Database | Self>
type Forked<Self> = Effect.Effect<TaskHandle<number, Broken>, NotAvailable, Database | Self>

describe("types", () => {
  it("submit adds its two errors to the task's, and the tag to what it requires", () =>
    checked(() => {
      expectTypeOf(TaskPool.submit(task)).toEqualTypeOf<Submitted<TaskPool>>()
      expectTypeOf(TaskPool.submit(thunk)).toEqualTypeOf<Submitted<TaskPool>>()
      expectTypeOf(TaskPool.submit(query, { args: ["users", 3] })).toEqualTypeOf<Submitted<TaskPool>>()
      expectTypeOf(DbPool.submit(task, { weight: 1 })).toEqualTypeOf<Submitted<DbPool>>()
      expectTypeOf(TaskPool.submit(Effect.succeed("a"))).toEqualTypeOf<
        Effect.Effect<string, NotAvailable | TaskCancelled, TaskPool>
      >()
    }))

  it("the service asks for nothing but what the task needs", () =>
    checked(() => {
      expectTypeOf(pool).toEqualTypeOf<TaskPoolService>()
      expectTypeOf<DbPool["Service"]>().toEqualTypeOf<TaskPoolService>()
      expectTypeOf(pool.submit(task)).toEqualTypeOf<Submitted<never>>()
      expectTypeOf(pool.fork(task)).toEqualTypeOf<Forked<never>>()
      expectTypeOf(pool.name).toEqualTypeOf<string>()
      expectTypeOf(pool.stats).toEqualTypeOf<Effect.Effect<PoolStats>>()
    }))

  it("fork and submitNowait give a handle, and fail with NotAvailable alone", () =>
    checked(() => {
      expectTypeOf(TaskPool.fork(task)).toEqualTypeOf<Forked<TaskPool>>()
      expectTypeOf(TaskPool.fork(thunk)).toEqualTypeOf<Forked<TaskPool>>()
      expectTypeOf(TaskPool.fork(query, { args: ["users", 3], weight: 2 })).toEqualTypeOf<Forked<TaskPool>>()
      expectTypeOf(TaskPool.submitNowait(task)).toEqualTypeOf<Forked<TaskPool>>()
      expectTypeOf(TaskPool.submitNowait(thunk)).toEqualTypeOf<Forked<TaskPool>>()
      expectTypeOf(DbPool.submitNowait(query, { args: ["users", 3] })).toEqualTypeOf<Forked<DbPool>>()
    }))

  it("args are those of the function", () =>
    checked(() => {
      // @ts-expect-error a function with arguments needs them
      void TaskPool.submit(query)
      // @ts-expect-error one is missing
      void TaskPool.submit(query, { args: ["users"] })
      // @ts-expect-error one too many
      void TaskPool.submit(query, { args: ["users", 3, 4] })
      // @ts-expect-error the wrong type
      void TaskPool.submit(query, { args: ["users", "3"] })
      // @ts-expect-error the wrong order
      void TaskPool.submit(query, { args: [3, "users"] })
      // @ts-expect-error options without the arguments
      void TaskPool.submit(query, { weight: 1 })
      // @ts-expect-error the same for fork
      void TaskPool.fork(query, { args: ["users"] })
      // @ts-expect-error the same for submitNowait
      void TaskPool.submitNowait(query, { args: ["users", "3"] })
      // @ts-expect-error an effect has no arguments
      void TaskPool.submit(task, { args: [1] })
      expectTypeOf(TaskPool.submit(optional, { args: ["users"] })).toExtend<Effect.Effect<number, unknown, TaskPool>>()
      expectTypeOf(TaskPool.submit(optional, { args: ["users", 3] })).toExtend<
        Effect.Effect<number, unknown, TaskPool>
      >()
      expectTypeOf(TaskPool.submit(variadic, { args: [1, 2, 3] })).toExtend<Effect.Effect<number, unknown, TaskPool>>()
      expectTypeOf(TaskPool.submit(generic<string>, { args: ["a"] })).toExtend<
        Effect.Effect<string, unknown, TaskPool>
      >()
    }))

  it("args may be a readonly tuple", () =>
    checked(() => {
      const args = ["users", 3] as const
      expectTypeOf(TaskPool.submit(query, { args })).toEqualTypeOf<Submitted<TaskPool>>()
      expectTypeOf(TaskPool.fork(query, { args })).toEqualTypeOf<Forked<TaskPool>>()
      expectTypeOf(pool.submitNowait(query, { args, weight: 1 })).toEqualTypeOf<Forked<never>>()
      void TaskPool.submit(optional, { args })
      void TaskPool.submit(variadic, { args: [1, 2] as const })
      void TaskPool.submit(variadic, { args: [1, 2] as ReadonlyArray<number> })
      void TaskPool.submitBlocking(jobs.pair, { args })
      void Executor.run(jobs.pair, args)
      // @ts-expect-error one is missing
      void TaskPool.submit(query, { args: ["users"] as const })
      // @ts-expect-error the wrong order
      void TaskPool.submit(query, { args: [3, "users"] as const })
    }))

  it("a task is an Effect, or a function that returns one", () =>
    checked(() => {
      expectTypeOf(TaskPool.submit).toBeCallableWith(task, { weight: 1 })
      // @ts-expect-error no effect
      void TaskPool.submit(42)
      // @ts-expect-error a promise is no effect
      void TaskPool.submit(() => Promise.resolve(1))
      // @ts-expect-error a weight is a number
      void TaskPool.submit(task, { weight: "urgent" })
      // @ts-expect-error an unknown option
      void TaskPool.submit(task, { wieght: 1 })
    }))

  it("submit, fork and submitNowait take an effect in a pipe", () =>
    checked(() => {
      expectTypeOf(task.pipe(TaskPool.submit())).toEqualTypeOf<Submitted<TaskPool>>()
      expectTypeOf(task.pipe(TaskPool.submit({ weight: 1 }))).toEqualTypeOf<Submitted<TaskPool>>()
      expectTypeOf(task.pipe(DbPool.submit({ weight: undefined }))).toEqualTypeOf<Submitted<DbPool>>()
      expectTypeOf(task.pipe(pool.submit({ weight: 1 }))).toEqualTypeOf<Submitted<never>>()
      expectTypeOf(task.pipe(TaskPool.fork())).toEqualTypeOf<Forked<TaskPool>>()
      expectTypeOf(task.pipe(pool.fork({ weight: 1 }))).toEqualTypeOf<Forked<never>>()
      expectTypeOf(task.pipe(TaskPool.submitNowait({ weight: 1 }))).toEqualTypeOf<Forked<TaskPool>>()
      expectTypeOf(pipe(task, Effect.asVoid, pool.submitNowait(), Effect.asVoid)).toEqualTypeOf<
        Effect.Effect<void, NotAvailable, Database>
      >()
      expectTypeOf(Effect.map(task, String).pipe(TaskPool.submit(), Effect.flip)).toEqualTypeOf<
        Effect.Effect<Broken | NotAvailable | TaskCancelled, string, Database | TaskPool>
      >()
      // @ts-expect-error an unknown option
      void TaskPool.submit({ wieght: 1 })
      // @ts-expect-error a weight is a number
      void pool.fork({ weight: "urgent" })
      // @ts-expect-error an effect has no arguments
      void TaskPool.submit({ args: [1] })
      // @ts-expect-error a task that may be missing
      void TaskPool.submit({} as Effect.Effect<void> | undefined)
      // A value without a type is a task.
      expectTypeOf(TaskPool.submit({} as any)).toExtend<Effect.Effect<unknown, unknown, unknown>>()
    }))

  it("mapEffect takes a stream first, or in a pipe", () =>
    checked(() => {
      type Mapped<Self> = Stream<string, "broken" | Broken | NotAvailable | TaskCancelled, Database | "source" | Self>
      const stream = {} as Stream<number, "broken", "source">
      const f = (n: number, index: number) => Effect.map(task, (value) => `${n + index + value}`)
      expectTypeOf(TaskPool.mapEffect(stream, f)).toEqualTypeOf<Mapped<TaskPool>>()
      expectTypeOf(stream.pipe(TaskPool.mapEffect(f))).toEqualTypeOf<Mapped<TaskPool>>()
      expectTypeOf(stream.pipe(pool.mapEffect(f, { unordered: true }))).toEqualTypeOf<Mapped<never>>()
      expectTypeOf(stream.pipe(pool.mapEffect((n, index) => Effect.succeed(n + index)))).toEqualTypeOf<
        Stream<number, "broken" | NotAvailable | TaskCancelled, "source">
      >()
      expectTypeOf(
        stream.pipe(TaskPool.mapEffect((n, index) => Effect.succeed(n + index), { bufferSize: 2 }))
      ).toEqualTypeOf<Stream<number, "broken" | NotAvailable | TaskCancelled, "source" | TaskPool>>()
      // @ts-expect-error an unknown option
      void TaskPool.mapEffect(stream, f, { unorderd: true })
      // @ts-expect-error an unknown option
      void TaskPool.mapEffect(f, { unorderd: true })
      // @ts-expect-error the stream has numbers
      void stream.pipe(TaskPool.mapEffect((s: string) => Effect.succeed(s)))
    }))

  it("forEach gives an array, nothing with `discard`, and either if that is not known", () =>
    checked(() => {
      type Each<A> = Effect.Effect<A, Broken | NotAvailable | TaskCancelled, Database>
      const discard = {} as boolean
      const options = {} as ForEachOptions
      const f = (n: number) => Effect.as(task, `${n}`)
      expectTypeOf(pool.forEach([1], f)).toEqualTypeOf<Each<Array<string>>>()
      expectTypeOf(pool.forEach([1], f, { weight: 1 })).toEqualTypeOf<Each<Array<string>>>()
      expectTypeOf(pool.forEach([1], f, { discard: false })).toEqualTypeOf<Each<Array<string>>>()
      expectTypeOf(pool.forEach([1], f, { discard: undefined })).toEqualTypeOf<Each<Array<string>>>()
      expectTypeOf(pool.forEach([1], f, { discard: true })).toEqualTypeOf<Each<void>>()
      expectTypeOf(pool.forEach([1], f, { discard })).toEqualTypeOf<Each<Array<string> | void>>()
      expectTypeOf(pool.forEach([1], f, options)).toEqualTypeOf<Each<Array<string> | void>>()
      // @ts-expect-error there may be no array
      void Effect.map(pool.forEach([1], f, { discard }), (results) => results.length)
      // @ts-expect-error an unknown option
      void pool.forEach([1], f, { unorderd: true })
      const promises = {} as PromisePool
      expectTypeOf(promises.forEach([1], String, { discard })).toEqualTypeOf<Promise<Array<string> | void>>()
      expectTypeOf(promises.forEach([1], async (n) => n, { discard: false })).toEqualTypeOf<Promise<Array<number>>>()
      // @ts-expect-error an unknown option
      void promises.forEach([1], String, { unorderd: true })
    }))

  it("a pool of promises gives what its functions return or resolve to", () =>
    checked(() => {
      const promises = {} as PromisePool
      const { signal } = new AbortController()
      expectTypeOf(PromisePool.make(AioFixedTaskPoolSimple.layer(3))).toEqualTypeOf<Promise<PromisePool>>()
      expectTypeOf(promises.submit(() => 1)).toEqualTypeOf<Promise<number>>()
      expectTypeOf(promises.submit(async () => "a", { signal, weight: 1 })).toEqualTypeOf<Promise<string>>()
      expectTypeOf(promises.submit((given) => fetch("/", { signal: given.signal }))).toEqualTypeOf<Promise<Response>>()
      expectTypeOf(promises.fork(async () => 1)).toEqualTypeOf<Promise<PromiseTaskHandle<number>>>()
      expectTypeOf(promises.forEach(["a"], async (item, index) => [item, index] as const)).toEqualTypeOf<
        Promise<Array<readonly [string, number]>>
      >()
      expectTypeOf(promises.forEach([1], (n) => n, { discard: true })).toEqualTypeOf<Promise<void>>()
      expectTypeOf(promises.stats()).toEqualTypeOf<Promise<PoolStats>>()
      expectTypeOf(promises.close()).toEqualTypeOf<Promise<CloseReport>>()
      expectTypeOf<PromiseTask["signal"]>().toEqualTypeOf<AbortSignal>()
      expectTypeOf(promises).toExtend<AsyncDisposable>()
      void promises.submit(() => 1, { retry: { times: 3, delay: (attempt) => 100 * attempt, while: () => true } })
      // @ts-expect-error an unknown option
      void promises.submit(() => 1, { wieght: 1 })
      // @ts-expect-error a function has no arguments of its own
      void promises.submit(() => 1, { args: [] })
      // @ts-expect-error a promise is no function
      void promises.submit(Promise.resolve(1))
      // @ts-expect-error the layer provides another tag
      void PromisePool.make(AioFixedTaskPoolSimple.layer(3, { tag: DbPool }))
    }))

  it("a pool is what controls it, and what runs effects and jobs on it", () =>
    checked(() => {
      expectTypeOf<keyof Operations<DbPool>>().toEqualTypeOf<
        keyof PoolControl<DbPool> | keyof PoolClosures<DbPool> | keyof PoolJobs<DbPool>
      >()
      expectTypeOf<keyof PoolClosures<DbPool>>().toEqualTypeOf<
        "submit" | "fork" | "submitNowait" | "forEach" | "all" | "mapEffect" | "adjustCost"
      >()
      expectTypeOf<keyof PoolJobs<DbPool>>().toEqualTypeOf<"submitBlocking">()
      expectTypeOf<Tag<DbPool, "test/DbPool">>().toExtend<PoolControl<DbPool> & PoolJobs<DbPool>>()
      expectTypeOf<TaskPoolService>().toExtend<PoolControl<never> & PoolJobs<never>>()
    }))

  it("a handle's effects need nothing", () =>
    checked(() => {
      const handle = {} as TaskHandle<number, Broken>
      expectTypeOf(handle.join).toEqualTypeOf<Effect.Effect<number, Broken | TaskCancelled | NotAvailable>>()
      expectTypeOf(handle.await).toEqualTypeOf<
        Effect.Effect<Exit<number, Broken | TaskCancelled | NotAvailable>, NotAvailable>
      >()
      expectTypeOf(handle.poll).toEqualTypeOf<
        Effect.Effect<Option<Exit<number, Broken | TaskCancelled | NotAvailable>>>
      >()
      expectTypeOf(handle.cancel).toEqualTypeOf<Effect.Effect<void>>()
      expectTypeOf(handle.state).toEqualTypeOf<Effect.Effect<TaskState>>()
      expectTypeOf(handle.reprioritize(1)).toEqualTypeOf<Effect.Effect<void, NotWaiting>>()
      expectTypeOf<TaskHandle<1, Broken>>().toExtend<TaskHandle<number, Broken | Error>>()
      // @ts-expect-error covariant, not the other way
      expectTypeOf<TaskHandle<number>>().toExtend<TaskHandle<1>>()
    }))

  it("operations answer what the contract says", () =>
    checked(() => {
      expectTypeOf(TaskPool.scale(1, { mode: "hard" })).toEqualTypeOf<Effect.Effect<number, never, TaskPool>>()
      expectTypeOf(TaskPool.resize(1)).toEqualTypeOf<Effect.Effect<number, never, TaskPool>>()
      expectTypeOf(TaskPool.pause).toEqualTypeOf<Effect.Effect<boolean, never, TaskPool>>()
      expectTypeOf(TaskPool.resume).toEqualTypeOf<Effect.Effect<boolean, never, TaskPool>>()
      expectTypeOf(TaskPool.togglePause).toEqualTypeOf<Effect.Effect<boolean, never, TaskPool>>()
      expectTypeOf(TaskPool.awaitEmpty).toEqualTypeOf<Effect.Effect<void, never, TaskPool>>()
      expectTypeOf(TaskPool.awaitIdle).toEqualTypeOf<Effect.Effect<void, never, TaskPool>>()
      expectTypeOf(TaskPool.awaitResized).toEqualTypeOf<Effect.Effect<void, never, TaskPool>>()
      expectTypeOf(TaskPool.stats).toEqualTypeOf<Effect.Effect<PoolStats, never, TaskPool>>()
      expectTypeOf(DbPool.stats).toEqualTypeOf<Effect.Effect<PoolStats, never, DbPool>>()
      expectTypeOf(TaskPool.inspect()).toEqualTypeOf<Effect.Effect<PoolInspection, never, TaskPool>>()
      expectTypeOf(DbPool.inspect({ running: 5 })).toEqualTypeOf<Effect.Effect<PoolInspection, never, DbPool>>()
      expectTypeOf(TaskPool.decisions(5)).toEqualTypeOf<Effect.Effect<ReadonlyArray<PoolDecision>, never, TaskPool>>()
      expectTypeOf<PoolEvent["at"]>().toEqualTypeOf<number>()
      expectTypeOf(PoolRegistry.pools).toEqualTypeOf<Effect.Effect<ReadonlyArray<PoolEntry>>>()
      expectTypeOf(PoolRegistry.executors).toEqualTypeOf<Effect.Effect<ReadonlyArray<ExecutorEntry>>>()
      expectTypeOf(PoolRegistry.make).toEqualTypeOf<Effect.Effect<PoolRegistry["Service"]>>()
      expectTypeOf(Effect.provideService(Effect.void, PoolRegistry, {} as PoolRegistry["Service"])).toEqualTypeOf<
        Effect.Effect<void>
      >()
      expectTypeOf(TaskPool.events).toEqualTypeOf<Stream<PoolEvent, never, TaskPool>>()
      expectTypeOf(TaskPool.close({ mode: "interrupt" })).toEqualTypeOf<Effect.Effect<CloseReport, never, TaskPool>>()
      expectTypeOf(TaskPool.start).toEqualTypeOf<Effect.Effect<void, NotAvailable, TaskPool>>()
      // @ts-expect-error no such mode
      void TaskPool.scale(1, { mode: "rough" })
      // @ts-expect-error no such mode
      void TaskPool.close({ mode: "soft" })
    }))

  it("a layer provides the tag it is given", () =>
    checked(() => {
      expectTypeOf(AioFixedTaskPoolSimple.layer()).toEqualTypeOf<Layer<TaskPool>>()
      expectTypeOf(AioFixedTaskPoolSimple.layer(3)).toEqualTypeOf<Layer<TaskPool>>()
      expectTypeOf(AioFixedTaskPoolSimple.layer(3, { capacity: 4 })).toEqualTypeOf<Layer<TaskPool>>()
      expectTypeOf(AioFixedTaskPoolSimple.layer({ size: 3 })).toEqualTypeOf<Layer<TaskPool>>()
      expectTypeOf(AioFixedTaskPoolPriority.layer(8, { tag: DbPool })).toEqualTypeOf<Layer<DbPool>>()
      expectTypeOf(AioFixedTaskPoolPriority.layer({ tag: DbPool })).toEqualTypeOf<Layer<DbPool>>()
      expectTypeOf(AioAutoScaleTaskPoolSimple.layer()).toEqualTypeOf<Layer<TaskPool>>()
      expectTypeOf(AioAutoScaleTaskPoolSimple.layer({ maxSize: 9, tag: DbPool })).toEqualTypeOf<Layer<DbPool>>()
      // @ts-expect-error the size is said once
      void AioFixedTaskPoolSimple.layer(3, { size: 3 })
      // @ts-expect-error a fixed pool has no minimum
      void AioFixedTaskPoolSimple.layer({ minSize: 3 })
      // @ts-expect-error an auto-scale pool has no size
      void AioAutoScaleTaskPoolSimple.layer({ size: 3 })
      // @ts-expect-error another service is no pool
      void AioFixedTaskPoolSimple.layer(3, { tag: Database })
    }))

  it("a priority pool has the option `ageing`", () =>
    checked(() => {
      expectTypeOf(AioFixedTaskPoolPriority.layer(8, { ageing: "1 minute" })).toEqualTypeOf<Layer<TaskPool>>()
      expectTypeOf(AioAutoScaleTaskPoolPriority.layer({ ageing: "1 minute" })).toEqualTypeOf<Layer<TaskPool>>()
      void AioFixedTaskPoolPriority.make({ ageing: "1 minute" })
      void AioAutoScaleTaskPoolPriority.make({ ageing: "1 minute" })
      void AioFixedTaskPoolPriority.layerConfig({ ageing: Config.succeed("1 minute" as const) })
    }))

  it("a layer from the configuration may fail with ConfigError", () =>
    checked(() => {
      expectTypeOf(AioFixedTaskPoolSimple.layerConfig(Config.Int("SIZE"))).toEqualTypeOf<
        Layer<TaskPool, Config.ConfigError>
      >()
      expectTypeOf(
        AioFixedTaskPoolSimple.layerConfig({ size: Config.Int("SIZE"), name: Config.String("NAME") }, { tag: DbPool })
      ).toEqualTypeOf<Layer<DbPool, Config.ConfigError>>()
      expectTypeOf(AioAutoScaleTaskPoolSimple.layerConfig({ minSize: Config.Int("MIN") })).toEqualTypeOf<
        Layer<TaskPool, Config.ConfigError>
      >()
      // @ts-expect-error a size is a number
      void AioFixedTaskPoolSimple.layerConfig({ size: Config.String("SIZE") })
      // @ts-expect-error an auto-scale pool has no single size
      void AioAutoScaleTaskPoolSimple.layerConfig(Config.Int("SIZE"))
    }))

  it("make gives the service and needs a scope", () =>
    checked(() => {
      expectTypeOf(AioFixedTaskPoolSimple.make({ size: 2 })).toEqualTypeOf<
        Effect.Effect<TaskPool["Service"], never, Scope>
      >()
      expectTypeOf(AioAutoScaleTaskPoolSimple.make()).toEqualTypeOf<Effect.Effect<TaskPool["Service"], never, Scope>>()
    }))

  it("a program says which pools it needs", () =>
    checked(() => {
      const both = Effect.andThen(DbPool.submit(Effect.void), TaskPool.submit(Effect.void))
      const dbOnly = Effect.provide(both, AioFixedTaskPoolPriority.layer(8, { tag: DbPool }))
      expectTypeOf(dbOnly).toEqualTypeOf<Effect.Effect<void, NotAvailable | TaskCancelled, TaskPool>>()
      // @ts-expect-error TaskPool is missing
      void Effect.runPromise(dbOnly)
      void Effect.runPromise(Effect.provide(dbOnly, AioFixedTaskPoolSimple.layer(3)))
      // @ts-expect-error the tag of another pool does not do
      void Effect.runPromise(Effect.provide(DbPool.stats, AioFixedTaskPoolSimple.layer(3)))
    }))

  it("a policy of one's own keeps the type of its state to itself", () =>
    checked(() => {
      const policy = {} as AutoScalePolicy.AutoScalePolicy<{ readonly calm: number }>
      expectTypeOf(AioAutoScaleTaskPoolSimple.layer({ policy })).toEqualTypeOf<Layer<TaskPool>>()
      expectTypeOf<Duration.Input>().toExtend<
        NonNullable<NonNullable<Parameters<typeof AioAutoScaleTaskPoolSimple.make>[0]>["interval"]>
      >()
    }))

  it("a job's arguments may be any JSON, and any other recursive type that can be copied", () =>
    checked(() => {
      expectTypeOf(Executor.run(jobs.json, [recursive.json])).toExtend<
        Effect.Effect<MutableJson, ExecutorError, Executor>
      >()
      void Executor.run(jobs.json, [{ a: [1, "2", null, { b: true }] }])
      void Executor.run(jobs.readonlyJson, [recursive.readonlyJson])
      void Executor.run(jobs.schemaJson, [recursive.schemaJson])
      void Executor.run(jobs.tree, [recursive.tree])
      void Executor.run(jobs.list, [recursive.list])
      void Executor.map(jobs.json, [recursive.json, 1, "a"])
      void Executor.map(jobs.schemaJson, [recursive.schemaJson])
      void Executor.map(jobs.tree, [recursive.tree])
      void TaskPool.submitBlocking(jobs.json, { args: [recursive.json] })
      void TaskPool.submitBlocking(jobs.schemaJson, { args: [recursive.schemaJson] })
      // @ts-expect-error functions cannot be copied, however deep they are
      void Executor.run(jobs.badTree, [recursive.badTree])
      // @ts-expect-error functions cannot be copied, however deep they are
      void Executor.run(jobs.badList, [recursive.badList])
    }))

  it("a job's arguments may be what only the platform knows how to copy", () =>
    checked(() => {
      expectTypeOf(Executor.run(jobs.platform, recursive.platform)).toExtend<
        Effect.Effect<number, ExecutorError, Executor>
      >()
    }))

  it("a job without parameters needs no arguments, and others do", () =>
    checked(() => {
      expectTypeOf(Executor.run(jobs.noop)).toEqualTypeOf<Effect.Effect<number, ExecutorError, Executor>>()
      void Executor.run(jobs.noop, [])
      void Executor.run(jobs.noop, [], { onInterrupt: "abandon" })
      void TaskPool.submitBlocking(jobs.noop)
      void TaskPool.submitBlocking(jobs.noop, {})
      void TaskPool.submitBlocking(jobs.noop, { weight: 1, timeout: "1 second" })
      void Executor.run(jobs.optional, [])
      // @ts-expect-error it has a parameter
      void Executor.run(jobs.json)
      // @ts-expect-error it may have an argument
      void Executor.run(jobs.optional)
      // @ts-expect-error it has a parameter
      void TaskPool.submitBlocking(jobs.json)
      // @ts-expect-error it has a parameter
      void TaskPool.submitBlocking(jobs.json, { weight: 1 })
      // @ts-expect-error it has none
      void Executor.run(jobs.noop, [1])
    }))
})

type MutableJson = string | number | boolean | null | Array<MutableJson> | { [key: string]: MutableJson }
type ReadonlyJson =
  | string
  | number
  | boolean
  | null
  | ReadonlyArray<ReadonlyJson>
  | { readonly [key: string]: ReadonlyJson }
interface Tree {
  readonly value: number
  readonly children: ReadonlyArray<Tree>
  readonly parent?: Tree | undefined
}
interface BadTree {
  readonly value: () => void
  readonly children: ReadonlyArray<BadTree>
}
type List<T> = { readonly head: T; readonly tail: List<T> } | null
// The language's own library has no WebAssembly.
interface WebAssemblyMemory {
  readonly buffer: ArrayBuffer
  grow(delta: number): number
}
type PlatformArguments = [
  KeyObject,
  BlockList,
  SocketAddress,
  RecordableHistogram,
  X509Certificate,
  WebAssemblyMemory,
  Blob,
  webcrypto.CryptoKey
]

declare const recursive: {
  readonly json: MutableJson
  readonly readonlyJson: ReadonlyJson
  readonly schemaJson: SchemaJson
  readonly tree: Tree
  readonly badTree: BadTree
  readonly list: List<Date>
  readonly badList: List<() => void>
  readonly platform: PlatformArguments
}
declare const jobs: {
  readonly json: Job<[value: MutableJson], MutableJson>
  readonly readonlyJson: Job<[value: ReadonlyJson], ReadonlyJson>
  readonly schemaJson: Job<[value: SchemaJson], SchemaJson>
  readonly tree: Job<[tree: Tree], Tree>
  readonly badTree: Job<[tree: BadTree], number>
  readonly list: Job<[list: List<Date>], number>
  readonly badList: Job<[list: List<() => void>], number>
  readonly platform: Job<PlatformArguments, number>
  readonly noop: Job<[], number>
  readonly pair: Job<[table: string, limit: number], number>
  readonly optional: Job<[n?: number], number>
}
