/**
 * The service of a pool: each operation as an effect over the machine, within the scope that owns the pool.
 *
 * What a caller's fiber does is one synchronous step in the machine and, if the answer is not there yet, one wait.
 */
import type * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import type { Duration } from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"

import { identity } from "effect/Function"
import * as Queue from "effect/Queue"
import { Scheduler } from "effect/Scheduler"
import type { Scope } from "effect/Scope"
import * as Stream from "effect/Stream"
import { Executor } from "../Executor.ts"
import type {
  CloseOptions,
  CloseReport,
  ForEachOptions,
  PoolEvent,
  ResizeOptions,
  SubmitOptions,
  TaskPoolService
} from "../TaskPool.ts"
import { Fork, Submit } from "./admission.ts"
import { checkCount, checkDelta, checkDuration, checkWord } from "./arguments.ts"
import { runBulk, sourceOf } from "./bulk.ts"
import { awaitEnds } from "./handle.ts"
import { awaitUntil, type Closing, Lifecycle } from "./lifecycle.ts"
import { mapEffect } from "./mapEffect.ts"
import { Machine, type MachineOptions } from "./machine.ts"
import type { Sizing } from "./sizing.ts"
import { makeTaskUnsafe, type TaskOptions, weightOf, type Work } from "./task.ts"

/** What a pool is made of, checked by whoever makes it. */
export interface ServiceOptions extends MachineOptions {
  readonly shutdown: { readonly drainTimeout: Duration; readonly interruptTimeout: Duration }
  /** Sizes the pool while it is open. */
  readonly sizing?: ((machine: Machine, context: Context.Context<never>) => Sizing) | undefined
}

/** Events a slow reader may lag behind before it loses the oldest. */
const eventBuffer = 256

/** Makes a pool that lives as long as the scope. */
export const makeService = (options: ServiceOptions): Effect.Effect<TaskPoolService, never, Scope> =>
  Effect.withFiber((fiber) => {
    const machine = new Machine(options, fiber.getRef(Scheduler).makeDispatcher())
    const sizing = options.sizing?.(machine, fiber.context)
    const lifecycle = new Lifecycle(machine, fiber.context, {
      startPaused: options.startPaused,
      whileOpen: sizing?.run
    })
    const closeForGood = (exit: Exit.Exit<unknown, unknown>) =>
      Effect.withFiber((fiber) => {
        const inside = machine.isInside(fiber)
        const mode = Exit.isSuccess(exit) && !inside ? "drain" : "interrupt"
        const report = lifecycle.closeForGoodUnsafe({ ...options.shutdown, mode })
        // A task that closes the scope of its own pool would wait for itself.
        return inside ? Effect.void : report
      })
    return Effect.as(Effect.addFinalizer(closeForGood), serviceOf(machine, lifecycle, sizing, options))
    // A pool without its finalizer would never end.
  }).pipe(Effect.uninterruptible)

const serviceOf = (
  machine: Machine,
  lifecycle: Lifecycle,
  sizing: Sizing | undefined,
  options: ServiceOptions
): TaskPoolService => {
  const suspends = options.onFull === "suspend"

  const submit = (work: Work, submitOptions: TaskOptions) => new Submit(machine, work, submitOptions, suspends)

  const fork = (where: string, mayWait: boolean) => (work: Work, submitOptions: TaskOptions) =>
    new Fork((fiber) => makeTaskUnsafe(machine, where, work, submitOptions, fiber), mayWait)

  const forEach = (
    items: Iterable<unknown> | AsyncIterable<unknown>,
    f: (item: unknown, index: number) => unknown,
    forEachOptions: ForEachOptions = {}
  ) =>
    runBulk(machine, () => ({
      source: sourceOf("TaskPool.forEach", items),
      f,
      weight: weightOf("TaskPool.forEach", forEachOptions),
      collect: forEachOptions.discard === true ? "discard" : forEachOptions.unordered === true ? "unordered" : "ordered"
    }))

  const all = (effects: Iterable<unknown> | Record<string, unknown>, allOptions?: SubmitOptions) => {
    if (Symbol.iterator in effects) return forEach(effects, identity, allOptions)
    const keys = Object.keys(effects)
    return Effect.map(forEach(Object.values(effects), identity, allOptions), (values) =>
      Object.fromEntries(keys.map((key, index) => [key, values[index]]))
    )
  }

  const resize = (where: string, why: string, size: () => number, resizeOptions: ResizeOptions | undefined) =>
    Effect.withFiber((fiber) => {
      const mode = checkWord(where, "mode", ["soft", "hard"], resizeOptions?.mode ?? "soft")
      const from = machine.target
      const target = machine.resize(size(), why)
      if (target !== from) machine.meter?.resizedByHand()
      if (mode === "soft") return Effect.succeed(target)
      const leaving = machine.cutSurplus(fiber.id)
      return leaving.length === 0 ? Effect.succeed(target) : Effect.as(awaitEnds(machine, leaving), target)
    })

  const close = (closeOptions: CloseOptions = {}): Effect.Effect<CloseReport> =>
    Effect.withFiber((fiber) => {
      const how = closingOf(options.shutdown, closeOptions)
      return machine.isInside(fiber) ? waitsForItself("close") : lifecycle.closeUnsafe(how)
    })

  const start = Effect.withFiber((fiber) =>
    machine.phase === "Draining" && machine.isInside(fiber) ? waitsForItself("start") : lifecycle.start
  )

  const waitsForItself = (operation: string): Effect.Effect<never> =>
    Effect.die(
      new Error(`TaskPool.${operation}: a task of ${machine.name} would wait for itself, because the pool waits for it`)
    )

  const setPaused = (paused: boolean): boolean => {
    if (machine.phase !== "Open") return false
    if (machine.paused !== paused) {
      machine.paused = paused
      machine.emit({ _tag: paused ? "Paused" : "Resumed" })
      if (paused) machine.shutDoor("Paused")
      machine.turn()
    }
    return machine.paused
  }

  return {
    name: machine.name,
    submit,
    fork: fork("TaskPool.fork", suspends),
    submitNowait: fork("TaskPool.submitNowait", false),
    forEach,
    all: all as TaskPoolService["all"],
    mapEffect: (stream, f, mapOptions) => mapEffect(machine, stream, f, mapOptions),
    submitBlocking: (job: any, { args, executor = Executor, onInterrupt, timeout, transfer, weight }: any = {}) => {
      const run: Effect.Effect<any, any, any> = executor.run(job, args, { transfer, onInterrupt })
      if (timeout === undefined) return submit(run, { weight })
      return Effect.suspend(() =>
        submit(Effect.timeout(run, checkDuration("TaskPool.submitBlocking", "timeout", timeout)), { weight })
      )
    },
    scale: (delta, resizeOptions) =>
      resize("TaskPool.scale", "scale", () => machine.target + checkDelta("TaskPool.scale", delta), resizeOptions),
    resize: (size, resizeOptions) =>
      resize("TaskPool.resize", "resize", () => checkCount("TaskPool.resize", "size", size), resizeOptions),
    awaitResized: awaitUntil(machine, () => machine.running.size <= machine.target),
    pause: Effect.sync(() => setPaused(true)),
    resume: Effect.sync(() => setPaused(false)),
    togglePause: Effect.sync(() => setPaused(!machine.paused)),
    awaitEmpty: awaitUntil(machine, () => machine.backlog.size === 0),
    awaitIdle: awaitUntil(machine, () => machine.idle),
    stats: Effect.sync(() => machine.stats()),
    explain: (last = 20) =>
      Effect.sync(() => {
        checkCount("TaskPool.explain", "last", last)
        return (
          sizing?.explain(last) ?? `${machine.name}: a fixed pool, ${machine.target} workers, which decides nothing`
        )
      }),
    events: Stream.unwrap(Effect.map(subscribe(machine, lifecycle), Stream.fromQueue)),
    close,
    start
  }
}

const closingOf = (defaults: ServiceOptions["shutdown"], options: CloseOptions): Closing => {
  const { drainTimeout, interruptTimeout, mode = "drain" } = options
  return {
    mode: checkWord("TaskPool.close", "mode", ["drain", "interrupt"], mode),
    drainTimeout:
      drainTimeout === undefined
        ? defaults.drainTimeout
        : checkDuration("TaskPool.close", "drainTimeout", drainTimeout),
    interruptTimeout:
      interruptTimeout === undefined
        ? defaults.interruptTimeout
        : checkDuration("TaskPool.close", "interruptTimeout", interruptTimeout)
  }
}

const subscribe = (
  machine: Machine,
  lifecycle: Lifecycle
): Effect.Effect<Queue.Dequeue<PoolEvent, Cause.Done>, never, Scope> =>
  Effect.acquireRelease(
    Effect.tap(Queue.sliding<PoolEvent, Cause.Done>(eventBuffer), (queue) =>
      Effect.sync(() => {
        if (lifecycle.closedForGood) Queue.endUnsafe(queue)
        else machine.readers.add(queue)
      })
    ),
    (queue) =>
      Effect.sync(() => {
        machine.readers.delete(queue)
        Queue.shutdownUnsafe(queue)
      })
  )
