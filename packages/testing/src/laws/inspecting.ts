import {
  type PoolInspection,
  PoolRegistry,
  type PoolRegistryService,
  type SubmitOptions,
  TaskPool,
  type TaskPoolService
} from "@aio-task-pool/core"
import { assert } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import { Random } from "../internal/random.ts"
import {
  defectOf,
  gated,
  gatedFinalizer,
  hasEnded,
  type LawOptions,
  type Laws,
  lineLog,
  occupy,
  settle,
  start,
  stubborn
} from "./kit.ts"

/** Lets time pass, and everything run that can run then. */
const pass = (millis: number): Effect.Effect<void> => Effect.andThen(TestClock.adjust(millis), settle)

/** The tasks of a pool, the registry of pools, and the warnings of a pool. */
export const inspectingLaws = (laws: Laws): void => {
  taskLaws(laws)
  registryLaws(laws)
  warningLaws(laws)
}

// ---- the tasks -----------------------------------------------------------------------------------------------------

const labels = ({ tasks }: PoolInspection, state: string): ReadonlyArray<string> =>
  tasks.filter((task) => task.state === state).map(({ label }) => label)

const taskLaws = (laws: Laws): void => {
  laws.law("inspect shows an idle pool without tasks and warnings", {}, (pool) =>
    Effect.gen(function* () {
      yield* pass(1234)
      assert.deepStrictEqual(yield* pool.inspect(), {
        at: 1234,
        stats: yield* pool.stats,
        door: 0,
        oldestWait: 0,
        tasks: [],
        omitted: { running: 0, waiting: 0, door: 0, delayed: 0 },
        warnings: []
      })
    })
  )

  laws.law("inspect tells how long each task has waited and run, and where it is", {}, (pool) =>
    Effect.gen(function* () {
      const ending = gatedFinalizer()
      const handle = yield* pool.fork(ending.task, { label: "runs", weight: 7 })
      yield* ending.started
      yield* pass(100)
      const waiter = yield* start(pool.submit(Effect.void, { label: "waits" }))
      yield* settle
      yield* pass(200)
      const at = laws.capacity === 0 ? "AtDoor" : "Waiting"
      const other = { spanId: undefined, lent: false }
      const first = yield* pool.inspect()
      const [running, waiting] = first.tasks
      assert.notStrictEqual(running!.id, waiting!.id)
      assert.deepStrictEqual(running, {
        ...other,
        id: running!.id,
        label: "runs",
        weight: 7,
        state: "Running",
        waited: 0,
        ran: 300,
        attempt: 1
      })
      assert.deepStrictEqual(waiting, {
        ...other,
        id: waiting!.id,
        label: "waits",
        weight: 4,
        state: at,
        waited: 200,
        ran: undefined,
        attempt: 0
      })
      assert.strictEqual(first.oldestWait, 200)
      assert.strictEqual(first.door, laws.capacity === 0 ? 1 : 0)
      const cancelling = yield* start(handle.cancel)
      yield* pass(50)
      const second = yield* pool.inspect()
      assert.deepStrictEqual(second.tasks, [
        { ...running!, state: "Ending", ran: 350 },
        { ...waiting!, waited: 250 }
      ])
      yield* ending.openFinalizer
      yield* Fiber.join(cancelling)
      yield* Fiber.join(waiter)
      const { oldestWait, tasks } = yield* pool.inspect()
      assert.deepStrictEqual({ oldestWait, tasks }, { oldestWait: 0, tasks: [] })
    })
  )

  laws.law("inspect keeps the waiting time of a task that runs", { needs: 1 }, (pool) =>
    Effect.gen(function* () {
      const busy = yield* occupy(pool, 1)
      const task = gated("task")
      yield* pool.fork(task.task)
      yield* pass(70)
      yield* busy.release
      yield* task.started
      yield* pass(30)
      const [row] = (yield* pool.inspect()).tasks
      assert.deepInclude(row, { waited: 70, ran: 30, state: "Running" })
      yield* task.open
    })
  )

  laws.law("inspect counts the attempts of a task, and the wait of each begins when it is due", {}, (pool) =>
    Effect.gen(function* () {
      const late = gated("late")
      let attempts = 0
      const task = Effect.suspend(() => (attempts++ === 0 ? Effect.fail("no") : late.task))
      yield* pool.fork(task, { retry: Schedule.spaced(100) })
      yield* settle
      const rowOf = Effect.map(pool.inspect(), ({ tasks }) => tasks[0])
      yield* pass(30)
      assert.deepInclude(yield* rowOf, { state: "Delayed", waited: 30, ran: undefined, attempt: 1 })
      const busy = yield* occupy(pool, 1)
      yield* pass(100)
      assert.deepInclude((yield* pool.inspect()).tasks[1], { state: "Waiting", waited: 30, ran: undefined, attempt: 1 })
      yield* busy.release
      yield* pass(5)
      assert.deepInclude(yield* rowOf, { state: "Running", waited: 30, ran: 5, attempt: 2 })
      yield* late.open
    })
  )

  laws.law(
    "oldestWait is that of the task that has waited longest, also after a retry or a move",
    { needs: 4 },
    (pool) =>
      Effect.gen(function* () {
        for (const [key, other] of [[], ["a", "a"], ["a", "b"]] as ReadonlyArray<ReadonlyArray<string>>) {
          const retry = { times: 1, schedule: Schedule.spaced(1000) }
          const failing = yield* start(pool.submit(Effect.fail("no"), { retry, ...(key !== undefined && { key }) }))
          yield* settle
          const { release } = yield* occupy(pool, 1)
          const waiting = yield* pool.fork(Effect.void, other === undefined ? {} : { key: other })
          const later = yield* pool.fork(Effect.void, other === undefined ? {} : { key: other })
          yield* pass(1000)
          yield* pass(500)
          assert.strictEqual((yield* pool.stats).delayed, 0)
          assert.strictEqual((yield* pool.inspect()).oldestWait, 1500)
          yield* waiting.reprioritize(9)
          yield* later.reprioritize(3)
          assert.strictEqual((yield* pool.inspect()).oldestWait, 1500)
          yield* waiting.cancel
          yield* later.cancel
          assert.strictEqual((yield* pool.inspect()).oldestWait, 500)
          yield* release
          yield* Fiber.await(failing)
        }
      })
  )

  /** Expects that `oldestWait` is the longest wait of the tasks that are listed, and returns it. */
  const oldestWaitOf = (pool: TaskPoolService) =>
    Effect.map(pool.inspect(), ({ oldestWait, tasks }) => {
      const waiting = tasks.filter(({ state }) => state === "Waiting" || state === "AtDoor")
      assert.strictEqual(oldestWait, Math.max(0, ...waiting.map(({ waited }) => waited)))
      return oldestWait
    })

  laws.law("oldestWait is that of a task that came to the queue from the door after a retry", { capacity: 2 }, (pool) =>
    Effect.gen(function* () {
      const retry = { times: 1, schedule: Schedule.spaced(100) }
      const failing = yield* start(pool.submit(Effect.fail("no"), { key: "a", retry }))
      const tasks = [gated(1), gated(2), gated(3)]
      const fibers = []
      for (const [i, key] of ["b", "b", "c"].entries()) {
        fibers.push(yield* start(pool.submit(tasks[i]!.task, { key })))
      }
      yield* pass(10)
      // At the door. The retry comes to the queue before it, beyond the capacity.
      fibers.push(yield* start(pool.submit(Effect.void, { key: "a" })))
      yield* pass(190)
      assert.strictEqual(yield* oldestWaitOf(pool), 200)
      for (const { open } of tasks) {
        yield* open
        yield* pass(1)
        yield* oldestWaitOf(pool)
      }
      yield* Fiber.joinAll(fibers)
      yield* Fiber.await(failing)
    })
  )

  laws.law(
    "oldestWait is that of an item of a bulk that waited at the door while others dropped the oldest",
    { capacity: 2, onFull: "dropOldest" },
    (pool) =>
      Effect.gen(function* () {
        const { release } = yield* occupy(pool, 1)
        for (let i = 0; i < 2; i++) yield* pool.fork(Effect.void)
        const bulk = yield* start(pool.forEach([1, 2], () => Effect.void))
        yield* pass(900)
        for (let i = 0; i < 2; i++) yield* pool.fork(Effect.sleep(50), { weight: 1 })
        yield* pass(100)
        yield* release
        yield* pass(10)
        // One of the two runs, the other one and the first item wait.
        assert.strictEqual(yield* oldestWaitOf(pool), 1010)
        yield* pass(100)
        yield* Fiber.join(bulk)
      })
  )

  laws.law("inspect shows which task lends its workers", {}, (pool) =>
    Effect.gen(function* () {
      const inner = gated("inner")
      const outer = yield* start(pool.submit(pool.submit(inner.task, { label: "inner" }), { label: "outer" }))
      yield* inner.started
      const { tasks } = yield* pool.inspect()
      assert.deepStrictEqual(
        tasks.map(({ label, lent }) => [label, lent]),
        [
          ["outer", true],
          ["inner", false]
        ]
      )
      yield* inner.open
      yield* Fiber.join(outer)
    })
  )

  for (const seed of [1, 2, 3]) {
    laws.lawOnce(
      `inspect lists the waiting tasks in the order in which they start, drawn with seed ${seed}`,
      { size: 2, minSize: 0, maxSize: 2 },
      (pool) => startsAsListed(pool, new Random(seed))
    )
  }

  laws.lawOnce(
    "inspect lists at most 100 of each, or as many as asked for, and counts the others",
    { size: 150 },
    (pool) =>
      Effect.gen(function* () {
        const busy = yield* occupy(pool, 150)
        const handles = yield* Effect.forEach(Array.from({ length: 130 }), () => pool.fork(Effect.void))
        const delayed = { retry: Schedule.spaced(1e6) }
        yield* pool.withDispatchHeld(Effect.void)
        const count = (inspection: PoolInspection, state: string) => labels(inspection, state).length
        const all = yield* pool.inspect({ running: 1000, waiting: Infinity })
        assert.deepStrictEqual([count(all, "Running"), count(all, "Waiting")], [100, 100])
        assert.deepStrictEqual(all.omitted, { running: 50, waiting: 30, door: 0, delayed: 0 })
        const few = yield* pool.inspect({ running: 0, waiting: 7 })
        assert.deepStrictEqual([count(few, "Running"), count(few, "Waiting")], [0, 7])
        assert.deepStrictEqual(few.omitted, { running: 150, waiting: 123, door: 0, delayed: 0 })
        for (const handle of handles) yield* handle.cancel
        yield* busy.release
        yield* pool.awaitIdle
        yield* Effect.forEach(Array.from({ length: 120 }), () => pool.fork(Effect.fail("no"), delayed))
        yield* settle
        const later = yield* pool.inspect({ delayed: 3 })
        assert.strictEqual(count(later, "Delayed"), 3)
        assert.strictEqual(later.omitted.delayed, 117)
        assert.strictEqual((yield* pool.inspect()).omitted.delayed, 20)
        yield* pool.clear()
      })
  )

  laws.lawOnce("inspect lists at most 100 at the door, after the waiting tasks", { capacity: 2 }, (pool) =>
    Effect.gen(function* () {
      const busy = yield* occupy(pool, 1)
      const fibers = yield* Effect.forEach(Array.from({ length: 125 }), (_, i) =>
        start(pool.submit(Effect.void, { label: `${i}` }))
      )
      yield* settle
      const inspection = yield* pool.inspect()
      assert.strictEqual(inspection.door, 123)
      assert.strictEqual(inspection.omitted.door, 23)
      assert.deepStrictEqual(
        labels(inspection, "AtDoor"),
        Array.from({ length: 100 }, (_, i) => `${i + 2}`)
      )
      assert.deepStrictEqual(
        inspection.tasks.map(({ state }) => state),
        ["Running", "Waiting", "Waiting", ...Array.from({ length: 100 }, () => "AtDoor")]
      )
      yield* busy.release
      yield* Effect.forEach(fibers, Fiber.join)
    })
  )

  laws.law("inspect lists delayed tasks in the order in which they are due", {}, (pool) =>
    Effect.gen(function* () {
      for (const millis of [300, 100, 200]) {
        yield* pool.fork(Effect.fail("no"), {
          label: `${millis}`,
          retry: { schedule: Schedule.spaced(millis), times: 1 }
        })
        yield* settle
      }
      assert.deepStrictEqual(labels(yield* pool.inspect(), "Delayed"), ["100", "200", "300"])
      yield* pool.clear()
    })
  )

  laws.law("inspect dies with an error that names a wrong option, and changes nothing", {}, (pool) =>
    Effect.gen(function* () {
      const before = yield* pool.stats
      for (const name of ["running", "waiting", "delayed"]) {
        for (const wrong of [-1, 1.5, Number.NaN, "5", null, -Infinity]) {
          const defect = defectOf(yield* Effect.exit(pool.inspect({ [name]: wrong })))
          assert.instanceOf(defect, RangeError)
          assert.include(defect.message, `TaskPool.inspect: ${name} must be an integer >= 0, got `)
        }
      }
      assert.instanceOf(defectOf(yield* Effect.exit(pool.inspect({ runing: 1 } as never))), TypeError)
      assert.deepStrictEqual(yield* pool.stats, before)
    })
  )

  laws.law("the items of a bulk have the name of its function, and an ID each", { size: 2 }, (pool) =>
    Effect.gen(function* () {
      const gates = Array.from({ length: 4 }, (_, i) => gated(i))
      const ids = new Set<number>()
      const bulk = yield* start(
        pool.forEach(gates, function fetchPage(gate) {
          return gate.task
        })
      )
      for (const gate of gates) {
        yield* gate.started
        const { tasks } = yield* pool.inspect()
        for (const { id, label, state } of tasks) {
          assert.strictEqual(label, "fetchPage")
          if (state === "Running") ids.add(id)
        }
        yield* gate.open
        yield* settle
      }
      yield* Fiber.join(bulk)
      assert.strictEqual(ids.size, 4)
    })
  )

  laws.law("looking at a pool from its own code shows what is so at that moment", { size: 2 }, (pool) =>
    Effect.gen(function* () {
      const seen: Array<PoolInspection> = []
      const look = Effect.map(pool.inspect(), (inspection) => void seen.push(inspection))
      yield* pool.submit(Effect.ensuring(look, look), { label: "looks" })
      yield* pool.forEach(looking(pool, seen), () => Effect.yieldNow)
      assert.deepStrictEqual(
        seen.slice(0, 2).map((inspection) => labels(inspection, "Running")),
        [["looks"], ["looks"]]
      )
      for (const { stats, tasks } of seen) {
        const count = (state: string) => tasks.filter((task) => task.state === state).length
        assert.strictEqual(count("Running") + count("Ending"), stats.running)
        assert.strictEqual(count("Waiting"), stats.waiting)
        assert.strictEqual(count("AtDoor"), stats.atDoor)
        for (const { ran, waited } of tasks) assert.deepStrictEqual([waited, ran ?? 0], [0, 0])
      }
      assert.strictEqual(seen.length, 5)
    })
  )
}

/** A source that looks at the pool whenever it is pulled. */
function* looking(pool: TaskPoolService, seen: Array<PoolInspection>): Iterable<number> {
  for (let i = 0; i < 3; i++) {
    seen.push(Effect.runSync(pool.inspect()))
    yield i
  }
}

/** Submits random tasks, changes some of them, and compares the order of `inspect` with the order of their starts. */
const startsAsListed = Effect.fnUntraced(function* (pool: TaskPoolService, random: Random) {
  const pick = <A>(values: ReadonlyArray<A>): A => values[random.below(values.length)]!
  const started: Array<string> = []
  yield* pool.withDispatchHeld(
    Effect.gen(function* () {
      for (let i = 0; i < 60; i++) {
        const label = `task ${i}`
        const options: SubmitOptions = {
          label,
          weight: random.below(5),
          key: pick([undefined, undefined, "a", "b", 1]),
          permits: pick([undefined, 1, 2])
        }
        const task = Effect.suspend(() => {
          started.push(label)
          return Effect.yieldNow
        })
        const handle = yield* pool.fork(task, options)
        const what = random.below(8)
        if (what === 0) yield* handle.cancel
        else if (what === 1) yield* handle.reprioritize(random.below(5))
      }
      const all = yield* pool.inspect()
      // Fewer are the beginning of the same list.
      for (const waiting of [0, 1, 5, 30]) {
        const some = yield* pool.inspect({ waiting })
        assert.deepStrictEqual(some.tasks, all.tasks.slice(0, waiting))
        assert.strictEqual(some.omitted.waiting, Math.max(0, all.tasks.length - waiting))
      }
      started.push(...labels(all, "Waiting"))
    })
  )
  yield* pool.awaitIdle
  const half = started.length / 2
  assert.isAtLeast(half, 30)
  assert.deepStrictEqual(started.slice(half), started.slice(0, half))
})

// ---- the registry --------------------------------------------------------------------------------------------------

const idsOf = (registry: PoolRegistryService): Effect.Effect<ReadonlyArray<string>> =>
  Effect.map(registry.pools, (pools) => pools.map(({ id }) => id))

const registryLaws = (laws: Laws): void => {
  /** Makes a pool in a scope of its own and in a registry. */
  const open = Effect.fnUntraced(function* (registry: PoolRegistryService, options: Partial<LawOptions> = {}) {
    const scope = yield* Scope.make()
    const layer = Layer.fresh(laws.layerOf({ size: 1, capacity: laws.capacity, ...options }))
    const context = yield* Effect.provideService(Layer.buildWithScope(layer, scope), PoolRegistry, registry)
    return { scope, pool: Context.get(context, TaskPool) }
  })

  laws.law("a pool is in the registry of the fiber that made it, from then on until its scope has closed it", {}, () =>
    Effect.gen(function* () {
      const registry = yield* PoolRegistry.make
      const other = yield* PoolRegistry.make
      yield* pass(500)
      const { pool, scope } = yield* open(registry, { name: "db" })
      const [entry] = yield* registry.pools
      assert.deepInclude<object>(entry!, { _tag: "Local", id: "db", name: "db", openedAt: 500, service: pool })
      assert.match(entry!.kind, /^[A-Z]\w+$/)
      assert.isEmpty(yield* other.pools)
      const listed = yield* Effect.provideService(PoolRegistry.pools, PoolRegistry, registry)
      assert.deepStrictEqual(listed, [entry!])
      const task = stubborn("task")
      yield* pool.fork(task.task)
      const closing = yield* start(Scope.close(scope, Exit.void))
      yield* settle
      assert.deepStrictEqual(yield* idsOf(registry), ["db"])
      assert.strictEqual((yield* pool.stats).phase, "Draining")
      yield* task.open
      yield* Fiber.join(closing)
      assert.isEmpty(yield* registry.pools)
    })
  )

  laws.law("pools of one name have IDs of their own, which are not given twice while any of them is open", {}, () =>
    Effect.gen(function* () {
      const registry = yield* PoolRegistry.make
      const first = yield* open(registry, { name: "db" })
      yield* open(registry, { name: "db#3" })
      yield* open(registry, { name: "db" })
      const last = yield* open(registry, { name: "db" })
      assert.deepStrictEqual(yield* idsOf(registry), ["db", "db#3", "db#2", "db#4"])
      yield* Scope.close(first.scope, Exit.void)
      yield* Scope.close(last.scope, Exit.void)
      yield* open(registry, { name: "db" })
      assert.deepStrictEqual(yield* idsOf(registry), ["db#3", "db#2", "db#5"])
    })
  )

  const ends: Record<
    string,
    (pool: TaskPoolService, scope: Scope.Closeable) => Effect.Effect<unknown, unknown, Scope.Scope>
  > = {
    "a success": (_, scope) => Scope.close(scope, Exit.void),
    "a failure": (_, scope) => Scope.close(scope, Exit.fail("failure")),
    "a defect": (_, scope) => Scope.close(scope, Exit.die("defect")),
    "an interruption": (_, scope) => Scope.close(scope, Exit.interrupt()),
    "a success, after a close by hand": (pool, scope) => Effect.andThen(pool.close(), Scope.close(scope, Exit.void)),
    "a failure, while it closes": (pool, scope) =>
      Effect.gen(function* () {
        yield* pool.fork(Effect.never)
        yield* start(pool.close())
        yield* Scope.close(scope, Exit.fail("failure"))
      }),
    "a success, with a task that does not end": (pool, scope) =>
      Effect.gen(function* () {
        yield* pool.fork(Effect.never)
        const closing = yield* start(Scope.close(scope, Exit.void))
        yield* start(pool.close({ mode: "interrupt" }))
        yield* Fiber.join(closing)
      }),
    "a failure, with a task whose finalizer does not end": (pool, scope) =>
      Effect.gen(function* () {
        yield* pool.fork(Effect.ensuring(Effect.never, Effect.never))
        const closing = yield* start(Scope.close(scope, Exit.fail("failure")))
        yield* pass(3000)
        yield* Fiber.join(closing)
      }),
    "a success, from a task of the pool": (pool, scope) =>
      Effect.andThen(Effect.exit(pool.submit(Scope.close(scope, Exit.void))), settle),
    "a closing that is interrupted": (pool, scope) =>
      Effect.gen(function* () {
        const task = gatedFinalizer()
        yield* pool.fork(task.task)
        yield* task.started
        const closing = yield* start(Effect.interruptible(Scope.close(scope, Exit.fail("failure"))))
        yield* start(Fiber.interrupt(closing))
        yield* settle
        yield* task.openFinalizer
        yield* settle
      })
  }
  for (const [name, end] of Object.entries(ends)) {
    laws.law(`a pool leaves the registry if its scope ends with ${name}`, {}, () =>
      Effect.gen(function* () {
        const registry = yield* PoolRegistry.make
        const changes = yield* start(
          Stream.runCollect(
            Stream.map(Stream.take(registry.changes, 2), ({ _tag, at, entry }) => ({ _tag, at, entry }))
          )
        )
        yield* settle
        const silent = lineLog()
        const { pool, scope } = yield* Effect.provide(open(registry), silent.layer)
        assert.strictEqual((yield* registry.pools).length, 1)
        yield* Effect.provide(end(pool, scope), silent.layer)
        yield* settle
        assert.isEmpty(yield* registry.pools)
        const [opened, closed] = yield* Fiber.join(changes)
        assert.deepInclude(opened, { _tag: "Opened", at: 0 })
        assert.strictEqual(closed!._tag, "Closed")
        assert.strictEqual(closed!.entry, opened!.entry)
        // The last numbers can still be read.
        assert.deepInclude(yield* closed!.entry.service.stats, { phase: "Closed", running: 0, waiting: 0 })
      })
    )
  }

  laws.law("a pool that was closed by hand stays in the registry, and so does one that was opened again", {}, () =>
    Effect.gen(function* () {
      const registry = yield* PoolRegistry.make
      const { pool, scope } = yield* open(registry, { name: "db" })
      for (let round = 0; round < 2; round++) {
        yield* pool.close()
        assert.deepStrictEqual(yield* idsOf(registry), ["db"])
        yield* pool.start
        assert.deepStrictEqual(yield* idsOf(registry), ["db"])
      }
      yield* Scope.close(scope, Exit.void)
      assert.isEmpty(yield* registry.pools)
    })
  )

  laws.law("making a pool in a closed scope leaves no entry", {}, () =>
    Effect.gen(function* () {
      const registry = yield* PoolRegistry.make
      const scope = yield* Scope.make()
      yield* Scope.close(scope, Exit.void)
      const layer = Layer.fresh(laws.layerOf({ size: 1, capacity: laws.capacity }))
      yield* Effect.exit(Effect.provideService(Layer.buildWithScope(layer, scope), PoolRegistry, registry))
      assert.isEmpty(yield* registry.pools)
    })
  )

  laws.law("a slow reader of the registry loses the oldest changes, and slows no pool", {}, () =>
    Effect.gen(function* () {
      const registry = yield* PoolRegistry.make
      const gate = Latch.makeUnsafe()
      const seen: Array<string> = []
      const reader = yield* start(
        Stream.runForEach(registry.changes, ({ _tag, entry }) =>
          Effect.andThen(
            Effect.sync(() => seen.push(`${_tag} ${entry.name}`)),
            gate.await
          )
        )
      )
      yield* settle
      for (let i = 0; i < 300; i++) {
        const { scope } = yield* open(registry, { name: `${i}` })
        yield* Scope.close(scope, Exit.void)
      }
      yield* gate.open
      yield* settle
      yield* Fiber.interrupt(reader)
      assert.isBelow(seen.length, 600)
      assert.deepStrictEqual(seen.slice(-2), ["Opened 299", "Closed 299"])
      assert.isEmpty(yield* registry.pools)
    })
  )
}

// ---- warnings ------------------------------------------------------------------------------------------------------

const warningLaws = (laws: Laws): void => {
  /** A law with a pool that warns after 30 seconds, and with its log. */
  const law = (
    sentence: string,
    options: Partial<LawOptions>,
    body: (pool: TaskPoolService, log: ReturnType<typeof lineLog>) => Effect.Effect<unknown, unknown, Scope.Scope>
  ): void =>
    laws.law(sentence, {}, () => {
      const log = lineLog()
      const layer = laws.layerOf({
        size: 1,
        capacity: laws.capacity,
        name: "slow",
        warnAfter: "30 seconds",
        ...options
      })
      return Effect.gen(function* () {
        const context = yield* Layer.build(Layer.provideMerge(Layer.fresh(layer), log.layer))
        yield* body(Context.get(context, TaskPool), log)
      })
    })

  law("warnAfter warns once that the oldest task waits, and again if it happens again", {}, (pool, log) =>
    Effect.gen(function* () {
      const lines = () => log.lines.filter(({ message }) => String(message).startsWith("oldest")).length
      // Tasks end all the time, so that only this warning applies.
      const ticking = yield* start(Effect.forever(pool.submit(Effect.sleep("1 second"), { weight: 1 })))
      yield* settle
      yield* pool.resize(1)
      yield* pool.withDispatchHeld(
        Effect.gen(function* () {
          const waiter = yield* start(pool.submit(Effect.void, { label: "late", weight: 9 }))
          yield* settle
          yield* pass(29_000)
          assert.strictEqual(lines(), 0)
          assert.isFalse((yield* pool.inspect()).warnings.some(({ rule }) => rule === "OldestWait"))
          yield* pass(1001)
          assert.strictEqual(lines(), 1)
          const { annotations, level, message } = log.lines.find((line) => String(line.message).startsWith("oldest"))!
          assert.deepStrictEqual([level, message], ["Warn", "oldest task has waited for 30 s"])
          assert.sameMembers(Object.keys(annotations), [
            "task_pool.name",
            "task_pool.kind",
            "waited",
            "waiting",
            "id",
            "label"
          ])
          assert.strictEqual(annotations["task_pool.name"], "slow")
          yield* pass(60_000)
          assert.strictEqual(lines(), 1)
          const { oldestWait, warnings } = yield* pool.inspect()
          assert.isAtLeast(oldestWait, 90_000)
          assert.deepInclude(warnings, { rule: "OldestWait", message: `oldest task has waited for 90 s` })
          yield* Fiber.interrupt(waiter)
        })
      )
      yield* pass(5000)
      yield* Fiber.interrupt(ticking)
      yield* settle
      assert.deepStrictEqual((yield* pool.inspect()).warnings, [])
      const again = yield* start(pool.withDispatchHeld(pool.submit(Effect.void)))
      yield* pass(31_000)
      assert.strictEqual(lines(), 2)
      yield* Fiber.interrupt(again)
    })
  )

  law("warnAfter warns once that tasks wait and none ends, with the running ones", {}, (pool, log) =>
    Effect.gen(function* () {
      const lines = () => log.lines.filter(({ message }) => String(message).startsWith("nothing"))
      const stuck = gated("stuck")
      yield* pool.fork(stuck.task, { label: "stuck" })
      // As long as no task waits, a task may run for as long as it likes.
      yield* pass(100_000)
      assert.deepStrictEqual(log.lines, [])
      const waiters = [yield* start(pool.submit(Effect.void)), yield* start(pool.submit(Effect.void))]
      yield* settle
      yield* pass(29_999)
      assert.deepStrictEqual(log.lines, [])
      assert.deepStrictEqual((yield* pool.inspect()).warnings, [])
      yield* pass(1)
      assert.strictEqual(lines().length, 1)
      const [{ annotations, level, message }] = lines() as [(typeof log.lines)[number]]
      assert.deepStrictEqual([level, message], ["Warn", "nothing has ended for 30 s, 2 wait"])
      const { tasks, ...numbers } = annotations as { readonly tasks: ReadonlyArray<object> }
      assert.deepInclude(numbers, { "task_pool.name": "slow", quiet: 30_000, waiting: 2, running: 1 })
      const [row] = (yield* pool.inspect()).tasks
      assert.deepStrictEqual(tasks, [{ id: row!.id, label: "stuck", ran: 130_000 }])
      yield* pass(100_000)
      assert.strictEqual(lines().length, 1)
      assert.deepInclude((yield* pool.inspect()).warnings, {
        rule: "NothingEnded",
        message: "nothing has ended for 130 s, 2 wait"
      })
      yield* stuck.open
      for (const waiter of waiters) yield* Fiber.join(waiter)
      assert.deepStrictEqual((yield* pool.inspect()).warnings, [])
      // The next episode.
      yield* pool.fork(Effect.never)
      yield* start(pool.submit(Effect.void))
      yield* pass(30_000)
      assert.strictEqual(lines().length, 2)
      yield* pool.close({ mode: "interrupt" })
    })
  )

  law("warnAfter says nothing of a pool whose tasks end in time, or of an idle one", {}, (pool, log) =>
    Effect.gen(function* () {
      // One waits at a time: with more, a LIFO pool would starve the oldest, and rightly warn.
      const submitters = yield* start(
        Effect.forEach([1, 2], () => Effect.repeat(pool.submit(Effect.sleep("9 seconds")), { times: 20 }), {
          concurrency: "unbounded"
        })
      )
      yield* Effect.forEach(Array.from({ length: 200 }), () => pass(2000))
      yield* Fiber.join(submitters)
      yield* pass(1e6)
      assert.deepStrictEqual(log.lines, [])
      assert.deepStrictEqual((yield* pool.inspect()).warnings, [])
    })
  )

  law("no warning applies in the step in which a task has ended or has begun to wait", { capacity: 2 }, (pool) =>
    Effect.gen(function* () {
      const warnings = Effect.map(pool.inspect(), ({ warnings }) => warnings)
      yield* pass(60_000)
      // A fresh pool: a task submits before the flush that has started it ends.
      const first = yield* pool.submit(Effect.andThen(pool.fork(Effect.void), warnings))
      assert.deepStrictEqual(first, [])
      // The submitter goes on in the flush in which its task has ended.
      const slow = gated("slow")
      const second = yield* start(
        Effect.gen(function* () {
          yield* pool.submit(slow.task)
          yield* pool.fork(Effect.never)
          yield* pool.fork(Effect.never)
          return yield* warnings
        })
      )
      yield* pass(60_000)
      yield* slow.open
      assert.deepStrictEqual(yield* Fiber.join(second), [])
      yield* pool.close({ mode: "interrupt" })
    })
  )

  laws.law("warnAfter must be a Duration above 0", {}, () =>
    Effect.sync(() => {
      for (const warnAfter of [0, -1, "soon", Number.NaN]) {
        assert.throws(() => laws.layerOf({ size: 1, warnAfter: warnAfter as never }), RangeError, "warnAfter must be")
      }
    })
  )

  laws.law("a warning does not keep a closed pool alive, and an infinite warnAfter never comes", {}, () =>
    Effect.gen(function* () {
      const log = lineLog()
      const layer = laws.layerOf({ size: 1, capacity: laws.capacity, warnAfter: Infinity })
      yield* Effect.scoped(
        Effect.gen(function* () {
          const context = yield* Layer.build(Layer.provideMerge(Layer.fresh(layer), log.layer))
          const pool = Context.get(context, TaskPool)
          yield* pool.fork(Effect.never)
          const waiter = yield* start(Effect.exit(pool.submit(Effect.void)))
          yield* pass(1e7)
          yield* pool.close({ mode: "interrupt" })
          assert.isTrue(hasEnded(waiter))
          assert.isTrue(Cause.hasFails(((yield* Fiber.join(waiter)) as Exit.Failure<unknown, unknown>).cause))
        })
      )
      assert.deepStrictEqual(log.lines, [])
    })
  )
}
