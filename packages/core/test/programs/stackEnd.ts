/**
 * Operations at the end of the stack: `node stackEnd.ts <program> [options]` prints what is left of a pool, or of an
 * agenda, as JSON. With `options`, the pool has options that deepen its calls, and so have the tasks of each trial.
 *
 * A process of its own: there the stack has a known size, and no compiled code, so that it ends at the same calls each
 * time. Node gives up a process whose async contexts a stack overflow has left in disorder.
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as TestClock from "effect/testing/TestClock"
import {
  AioFixedTaskPoolSimple,
  PoolRegistry,
  type SubmitOptions,
  TaskPool,
  type TaskPoolService
} from "../../src/index.ts"
import { Agenda, type Due } from "../../src/internal/pool/agenda.ts"

const withOptions = process.argv[3] === "options"
const taskOptions: SubmitOptions | undefined = withOptions
  ? { label: "task", key: "key", maxWait: "1 hour", cost: 1 }
  : undefined
const layer = withOptions
  ? Layer.provideMerge(
      AioFixedTaskPoolSimple.layer(3, { rate: { limit: 1e6, window: "1 second" }, perKey: 100, timing: true }),
      Layer.effect(PoolRegistry, PoolRegistry.make)
    )
  : AioFixedTaskPoolSimple.layer(3)

/**
 * Calls `f` on the way up from the end of the stack, where each frame leaves a little more of it, until it has succeeded
 * `most` times in a row. `shift` words lie below all frames. Returns how many calls threw.
 */
const diveAndCall = (f: () => void, most: number, shift: number): number => {
  let thrown = 0
  let inARow = 0
  const dive = (): void => {
    try {
      dive()
    } catch {
      // The stack has come to its end.
    }
    if (inARow === most) return
    try {
      f()
      inARow++
    } catch {
      thrown++
      inARow = 0
    }
  }
  const diveBelow = (..._words: ReadonlyArray<undefined>): void => dive()
  diveBelow(...Array.from({ length: shift }, () => undefined))
  return thrown
}

/** Calls `f` once, `height` frames above the end of the stack. Returns whether it threw. */
const callNearEnd = (f: () => void, height: number, shift: number): boolean => {
  let frames = 0
  let thrown = false
  const dive = (): void => {
    try {
      dive()
    } catch {
      // The stack has come to its end.
    }
    if (frames++ !== height) return
    try {
      f()
    } catch {
      thrown = true
    }
  }
  const diveBelow = (..._words: ReadonlyArray<undefined>): void => dive()
  diveBelow(...Array.from({ length: shift }, () => undefined))
  return thrown
}

type Callers = Array<Fiber.Fiber<unknown, unknown>>

/** Lets the event loop turn, without a call of the pool, until all callers have an answer. Returns how many have none. */
const unanswered = (callers: Callers) =>
  Effect.promise(async () => {
    const left = (): number => callers.filter((caller) => caller.pollUnsafe() === undefined).length
    for (let turn = 0; turn < 2000 && left() > 0; turn++) await new Promise((resolve) => setImmediate(resolve))
    return left()
  })

/** Returns the results of three tasks that need all three workers, and what is left of the pool then. */
const useAllWorkers = (pool: TaskPoolService) =>
  Effect.gen(function* () {
    const gate = Deferred.makeUnsafe<void>()
    const callers = [1, 2, 3].map((n) => Effect.runFork(pool.submit(Effect.as(Deferred.await(gate), n))))
    const { running: runningThen } = yield* pool.stats
    Deferred.doneUnsafe(gate, Exit.void)
    yield* unanswered(callers)
    const { busy, lent, running, waiting } = yield* pool.stats
    const results = callers.map((caller) => {
      const exit = caller.pollUnsafe()
      return exit?._tag === "Success" ? exit.value : exit?._tag
    })
    return { busy, lent, running, waiting, runningThen, results }
  })

/** One call near the end of the stack. */
interface Trial {
  readonly call: () => void
  /** Lets the callers get their answers, whatever the call has done. */
  readonly end: Effect.Effect<unknown, unknown>
}

/**
 * Makes trials at many heights above the end of the stack, each with a pool of its own. Returns whether any call threw,
 * how many callers got no answer, and the different states of the pools afterwards.
 */
const trials = (lowest: number, begin: (pool: TaskPoolService, callers: Callers) => Effect.Effect<Trial, unknown>) =>
  Effect.gen(function* () {
    let thrown = 0
    let left = 0
    const states = new Set<string>()
    // The first ones are high, so that the others find all code compiled.
    for (const height of [1500, 400, 120, ...Array.from({ length: 30 }, (_, n) => lowest + n)]) {
      for (const shift of [0, 7, 14, 21]) {
        yield* Effect.gen(function* () {
          const pool = yield* TaskPool
          const callers: Callers = []
          const { call, end } = yield* begin(pool, callers)
          if (callNearEnd(call, height, shift)) thrown++
          yield* end
          left += yield* unanswered(callers)
          states.add(JSON.stringify(yield* useAllWorkers(pool)))
        }).pipe(Effect.provide(layer))
      }
    }
    return { thrown: thrown > 0, left, states: Array.from(states, (state) => JSON.parse(state)) }
  })

/** Tasks that submit to their own pool, which lends their workers. */
const nested = Effect.gen(function* () {
  const pool = yield* TaskPool
  let thrown = 0
  let left = 0
  for (const task of [Effect.void, Effect.yieldNow]) {
    for (let i = 0; i < 50; i++) yield* pool.submit(pool.submit(task))
    for (let round = 0; round < 16; round++) {
      const callers: Callers = []
      const submit = (): void => void callers.push(Effect.runFork(pool.submit(pool.submit(task))))
      thrown += diveAndCall(submit, 50, 4 * round)
      left += yield* unanswered(callers)
    }
  }
  return { thrown: thrown > 0, left, states: [yield* useAllWorkers(pool)] }
}).pipe(Effect.provide(AioFixedTaskPoolSimple.layer(3)))

/** Cancels the last one of some tasks by its handle, or clears the queue. Three of the tasks run. */
const cancels = (tasks: number, clears = false) =>
  trials(0, (pool, callers) =>
    Effect.gen(function* () {
      const handles = yield* Effect.replicateEffect(
        pool.fork(Effect.ensuring(Effect.never, Effect.yieldNow), taskOptions),
        tasks
      )
      const cancel = clears ? pool.clear() : handles[tasks - 1]!.cancel
      for (const handle of handles) callers.push(Effect.runFork(Effect.exit(handle.await)))
      return {
        call: () => void callers.push(Effect.runFork(cancel)),
        end: Effect.forEach(handles, (handle) => handle.cancel, { concurrency: "unbounded" })
      }
    })
  )

/** Gives a pool without workers three of them, while submitters wait. */
const resizes = trials(0, (pool, callers) =>
  Effect.gen(function* () {
    yield* pool.resize(0)
    for (let n = 0; n < 6; n++) callers.push(Effect.runFork(pool.submit(Effect.void, taskOptions)))
    return {
      call: () => void callers.push(Effect.runFork(pool.resize(3))),
      end: Effect.flatMap(pool.stats, ({ targetSize }) => (targetSize === 0 ? pool.resize(3) : Effect.void))
    }
  })
)

/** Interrupts the submitter of a task that runs. Nearer to the end of the stack, the runtime loses the submitter's frames. */
const interrupts = trials(32, (pool, callers) =>
  Effect.sync(() => {
    const gate = Deferred.makeUnsafe<void>()
    for (let n = 0; n < 6; n++) callers.push(Effect.runFork(pool.submit(Deferred.await(gate), taskOptions)))
    return {
      call: () => callers[0]!.interruptUnsafe(),
      end: Effect.sync(() => Deferred.doneUnsafe(gate, Exit.void))
    }
  })
)

const submits = Effect.gen(function* () {
  const pool = yield* TaskPool
  let thrown = 0
  for (let i = 0; i < 300; i++) yield* pool.submit(Effect.void)
  for (let round = 0; round < 16; round++) {
    thrown += diveAndCall(() => void Effect.runFork(pool.submit(Effect.void)), 200, 4 * round)
    yield* Effect.sleep(1)
  }
  const { busy, running, waiting } = yield* pool.stats
  const tasks = [1, 2, 3].map((n) => Effect.as(Effect.sleep(1), n))
  const fibers = yield* Effect.forEach(tasks, (task) => Effect.forkChild(pool.submit(task), { startImmediately: true }))
  const { running: runningThen } = yield* pool.stats
  return { thrown: thrown > 0, busy, running, waiting, runningThen, results: yield* Fiber.joinAll(fibers) }
}).pipe(Effect.provide(AioFixedTaskPoolSimple.layer(3)))

const items = Effect.gen(function* () {
  const agenda = new Agenda(yield* Effect.context(), () => {})
  const fired: Array<number> = []
  const added: Array<number> = []
  const refused: Array<Due> = []
  let count = 0
  const add = (): void => {
    const n = count++
    const item: Due = { agendaSlot: -1, fire: () => void fired.push(n) }
    try {
      agenda.add(item, 10_000 - n)
    } catch (cause) {
      refused.push(item)
      throw cause
    }
    added.push(n)
  }
  const thrown = diveAndCall(add, 200, 0)
  const isConsistent = agenda.size === added.length && refused.every(({ agendaSlot }) => agendaSlot === -1)
  yield* TestClock.adjust(10_000)
  return { thrown: thrown > 0, isConsistent, allFired: fired.join() === added.toReversed().join() }
}).pipe(Effect.provide(TestClock.layer()))

const programs: Readonly<Record<string, Effect.Effect<unknown, unknown>>> = {
  submits,
  items,
  nested,
  cancelsRunning: cancels(3),
  cancelsWaiting: cancels(6),
  clears: cancels(6, true),
  resizes,
  interrupts
}
console.log(JSON.stringify(await Effect.runPromise(programs[process.argv[2]!]!)))
