/**
 * What the core's tests are written with: tasks that end when a test says so, and looks at a pool's numbers.
 */
import { assert } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import * as Logger from "effect/Logger"
import { AsyncLocalStorage, AsyncResource } from "node:async_hooks"
import { type PoolStats, TaskCancelled, TaskPool } from "../src/index.ts"
import type { MachineOptions } from "../src/internal/pool/machine.ts"
import { fifo } from "../src/QueueDiscipline.ts"

/**
 * Whether this Node keeps async contexts in frames, as it does from 24 on: then two contexts can be compared, and items of
 * a bulk that have the same one share fibers.
 */
export const hasAsyncContextFrames: boolean = new AsyncLocalStorage<string>().run("probe", () => {
  const resource = new AsyncResource("probe")
  const frame = Object.getOwnPropertySymbols(resource).find((symbol) => symbol.description === "context_frame")
  return frame !== undefined && Reflect.get(resource, frame) !== undefined
})

/** A task that waits until it is opened. */
export interface Gated<A> {
  readonly task: Effect.Effect<A>
  readonly started: Effect.Effect<void>
  readonly open: Effect.Effect<boolean>
  readonly counts: { begun: number; ended: number }
}

/** A task that ends with `value` when it is opened. */
export const gated = <A>(value: A): Gated<A> => {
  const started = Latch.makeUnsafe()
  const gate = Latch.makeUnsafe()
  const counts = { begun: 0, ended: 0 }
  const task = Effect.suspend(() => {
    counts.begun++
    started.openUnsafe()
    return Effect.as(gate.await, value)
  })
  const end = Effect.sync(() => {
    counts.ended++
  })
  return { task: Effect.ensuring(task, end), started: started.await, open: gate.open, counts }
}

/** A task that nothing can interrupt: it ends with `value` when it is opened. */
export const stubborn = <A>(value: A): Gated<A> => {
  const inner = gated(value)
  return { ...inner, task: Effect.uninterruptible(inner.task) }
}

/** Starts an effect now, up to where it waits. */
export const start = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<Fiber.Fiber<A, E>, never, R> =>
  Effect.forkChild(effect, { startImmediately: true })

/** Lets everything run that can run. */
export const settle: Effect.Effect<void> = Effect.forEach(Array.from({ length: 20 }), () => Effect.yieldNow, {
  discard: true
})

/** Compares some of the numbers of the pool in the context, and looks whether tasks got lost. */
export const expectStats = (expected: Partial<PoolStats>): Effect.Effect<void, never, TaskPool> =>
  Effect.map(TaskPool.stats, (stats) => {
    const actual = Object.fromEntries(Object.keys(expected).map((key) => [key, stats[key as keyof PoolStats]]))
    assert.deepStrictEqual(actual, expected)
    expectConserved(stats)
  })

/** `submitted = succeeded + failed + interrupted + cancelled + waiting + delayed + running`, and I8. */
export const expectConserved = (stats: PoolStats): void => {
  const { cancelled, delayed, failed, interrupted, running, submitted, succeeded, waiting } = stats
  assert.strictEqual(submitted, succeeded + failed + interrupted + cancelled + waiting + delayed + running)
  assert.isAtMost(waiting, stats.capacity)
}

/** The typed failure of an exit. */
export const failureOf = <A, E>(exit: Exit.Exit<A, E>): E => {
  const reason = Exit.isFailure(exit) ? exit.cause.reasons.find(Cause.isFailReason) : undefined
  return reason === undefined ? assert.fail(`expected a failure, got ${String(exit)}`) : reason.error
}

/** The cancellation that an exit failed with. */
export const cancellationOf = <A, E>(exit: Exit.Exit<A, E>): TaskCancelled => {
  const error = failureOf(exit)
  return error instanceof TaskCancelled ? error : assert.fail(`expected a cancellation, got ${String(exit)}`)
}

/** Options of a machine: a pool of one worker with an unbounded queue, unless others are given. */
export const machineOptions = (options: Partial<MachineOptions> = {}): MachineOptions => ({
  name: "pool",
  discipline: fifo,
  min: 0,
  max: 10,
  initial: 1,
  isFixed: true,
  capacity: Infinity,
  onFull: "suspend",
  startPaused: false,
  nested: "lend",
  rates: [],
  perKey: Infinity,
  ageing: undefined,
  ...options
})

/** The defect of an exit. */
export const defectOf = (exit: Exit.Exit<unknown, unknown>): unknown => {
  const reason = Exit.isFailure(exit) ? exit.cause.reasons.find(Cause.isDieReason) : undefined
  return reason === undefined ? assert.fail(`expected a defect, got ${String(exit)}`) : reason.defect
}

/** Whether an exit is an interruption and nothing else. */
export const isInterrupted = (exit: Exit.Exit<unknown, unknown>): boolean =>
  Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause)

/** A logger that keeps the defects it is given. */
export const defectLog = () => {
  const defects: Array<unknown> = []
  const logger = Logger.make<unknown, void>(({ cause }) => {
    for (const reason of cause.reasons) if (Cause.isDieReason(reason)) defects.push(reason.defect)
  })
  return { defects, layer: Logger.layer([logger]) }
}
