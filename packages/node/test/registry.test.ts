// What the registry shows of executors and their threads. Threads run in real time, so each wait is for a state.
import { Executor, type ExecutorEntry, type ExecutorThread, Job, PoolRegistry } from "@aio-task-pool/core"
import { NodeExecutor } from "@aio-task-pool/node"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Scope } from "effect"
import * as jobs from "./jobs/misc.ts"

const rough = Job.module<{
  readonly compute: (cells: Int32Array) => void
  readonly exit: (code: number) => void
}>(new URL("../../testing/src/laws/jobs/rough.ts", import.meta.url))

const entryOf = Effect.map(PoolRegistry.executors, ([entry]): ExecutorEntry => entry!)

/** Waits until the threads of the executor are as they should be. */
const threadsWhen = (holds: (threads: ReadonlyArray<ExecutorThread>) => boolean) =>
  Effect.gen(function* () {
    const { threads } = yield* entryOf
    for (;;) {
      const list = yield* threads
      if (holds(list)) return list
      yield* Effect.sleep(1)
    }
  })

const withExecutor = <A, E>(options: NodeExecutor.Options, body: Effect.Effect<A, E, Executor>) =>
  Effect.flatMap(PoolRegistry.make, (registry) =>
    Effect.provideService(Effect.provide(body, NodeExecutor.layer(options)), PoolRegistry, registry)
  )

const sum = (numbers: ReadonlyArray<number>): number => numbers.reduce((total, each) => total + each, 0)

describe("an executor in the registry", () => {
  it.live("is there from its making until its scope closes, by its name", () =>
    Effect.gen(function* () {
      const registry = yield* PoolRegistry.make
      const scope = yield* Scope.make()
      const make = (options: NodeExecutor.Options) =>
        Effect.provideService(Scope.provide(NodeExecutor.make(options), scope), PoolRegistry, registry)
      const named = yield* make({ threads: 1, spare: 0, name: "hashes" })
      yield* make({ threads: 1, spare: 0 })
      yield* make({ threads: 1, spare: 0 })
      const entries = yield* registry.executors
      assert.deepStrictEqual(
        entries.map(({ id, name }) => [id, name]),
        [
          ["hashes", "hashes"],
          ["executor", "executor"],
          ["executor#2", "executor"]
        ]
      )
      assert.deepStrictEqual(yield* entries[0]!.stats, yield* named.stats)
      for (const { openedAt } of entries) assert.isAbove(openedAt, 1.7e12)
      yield* Scope.close(scope, Exit.void)
      assert.deepStrictEqual(yield* registry.executors, [])
      // Its last numbers can still be read.
      assert.isNumber((yield* entries[0]!.stats).settled)
      // A thread that was still starting ends when it has started.
      while ((yield* entries[0]!.threads).length > 0) yield* Effect.sleep(1)
    })
  )

  it.live("shows each thread with its job, and for how long that runs", () =>
    withExecutor(
      { threads: 2, spare: 0 },
      Effect.gen(function* () {
        const idle = yield* threadsWhen((threads) => threads.every(({ state }) => state === "Idle"))
        assert.strictEqual(new Set(idle.map(({ id }) => id)).size, 2)
        for (const thread of idle) {
          assert.deepInclude(thread, { running: 0, waiting: 0, job: undefined, ran: undefined, replacedBy: undefined })
        }
        const cells = new Int32Array(new SharedArrayBuffer(8))
        const fiber = yield* Effect.forkChild(Executor.run(rough.compute, [cells]), { startImmediately: true })
        const busy = yield* threadsWhen((threads) => threads.some(({ ran }) => ran !== undefined && ran > 0))
        const running = busy.find(({ job }) => job !== undefined)!
        assert.deepInclude(running, { state: "Running", running: 1, waiting: 0, job: "compute" })
        Atomics.store(cells, 1, 1)
        yield* Fiber.join(fiber)
        const after = yield* threadsWhen((threads) => threads.every(({ state }) => state === "Idle"))
        assert.strictEqual(sum(after.map(({ settled }) => settled)), 1)
      })
    )
  )

  it.live("says why threads were replaced", () =>
    withExecutor(
      { threads: 1, spare: 0, recycleAfter: 3 },
      Effect.gen(function* () {
        const { stats } = yield* entryOf
        const expect = (replacedBy: object) =>
          Effect.gen(function* () {
            // A thread that retires still has to be told to leave.
            for (;;) {
              const now = yield* stats
              assert.strictEqual(sum(Object.values(now.replacedBy)), now.replaced)
              if (Object.entries(replacedBy).every(([key, count]) => (now.replacedBy as any)[key] === count)) return
              yield* Effect.sleep(1)
            }
          })
        assert.isTrue(Exit.isFailure(yield* Effect.exit(Executor.run(rough.exit, [1]))))
        yield* expect({ Crashed: 1, Interrupted: 0, Recycled: 0 })
        const hung = yield* Effect.forkChild(Executor.run(jobs.hang), { startImmediately: true })
        yield* threadsWhen((threads) => threads.some(({ job }) => job === "hang"))
        yield* Fiber.interrupt(hung)
        yield* expect({ Crashed: 1, Interrupted: 1, Recycled: 0 })
        for (let i = 0; i < 3; i++) yield* Executor.run(jobs.whereAmI)
        yield* expect({ Crashed: 1, Interrupted: 1, Recycled: 1, Module: 0, Closed: 0 })
      })
    )
  )

  it.live("shows a thread that was told to end until it has ended", () =>
    withExecutor(
      { threads: 1, spare: 1 },
      Effect.gen(function* () {
        const hung = yield* Effect.forkChild(Executor.run(jobs.hang), { startImmediately: true })
        yield* threadsWhen((threads) => threads.some(({ job }) => job === "hang"))
        const { threads } = yield* entryOf
        yield* Fiber.interrupt(hung)
        const [ending] = (yield* threads).filter(({ state }) => state === "Ending")
        assert.deepInclude(ending, { replacedBy: "Interrupted" })
        const left = yield* threadsWhen((list) => list.every(({ state }) => state === "Idle") && list.length === 2)
        assert.notInclude(
          left.map(({ id }) => id),
          ending!.id
        )
      })
    )
  )
})
