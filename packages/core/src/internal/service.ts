/**
 * The service of a pool: each operation as an effect on the machine, within the scope that owns the pool.
 *
 * An operation is one synchronous step in the machine, followed by one wait if the result is not there yet.
 */
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type { Fiber } from "effect/Fiber"
import { identity } from "effect/Function"
import * as Queue from "effect/Queue"
import type { Scope } from "effect/Scope"
import * as Stream from "effect/Stream"
import { Executor } from "../Executor.ts"
import type { LocalPoolEntry } from "../PoolRegistry.ts"
import type { PoolTiming } from "../PoolTiming.ts"
import type {
  CloseOptions,
  ForEachOptions,
  InspectOptions,
  PoolEvent,
  PoolInspection,
  ResizeOptions,
  SubmitOptions,
  TaskPoolService
} from "../TaskPool.ts"
import type { Sizing } from "./autoScale/loop.ts"
import {
  checkBoolean,
  checkCount,
  checkDelta,
  checkDuration,
  checkEffect,
  checkFunction,
  checkKey,
  checkKnown,
  checkLabel,
  checkLimit,
  checkOwn,
  checkWord,
  isRecord,
  refuseType,
  submitOptions
} from "./arguments.ts"
import { runBulk } from "./bulk/bulk.ts"
import { itemOptionsOf, perItem } from "./bulk/itemOptions.ts"
import { mapEffect } from "./bulk/mapEffect.ts"
import { withBulkSpan } from "./bulk/span.ts"
import { lengthOf, sourceOf } from "./bulk/source.ts"
import { inspector, TaskIds } from "./inspect/inspect.ts"
import { Warnings } from "./inspect/warnings.ts"
import { lasting } from "./context.ts"
import { type Closing, type ClosingDefaults, Lifecycle } from "./pool/lifecycle.ts"
import { entryOf } from "./pool/launch.ts"
import { Machine } from "./pool/machine.ts"
import type { MachineOptions } from "./pool/state.ts"
import { nameEffect } from "./pool/label.ts"
import { poolLog } from "./pool/log.ts"
import { lendMeanwhile } from "./pool/nested.ts"
import { clear, interruptSurplus } from "./pool/endingEarly.ts"
import { type Classify, RetryAfter } from "./pool/outcome.ts"
import { checkCostChange } from "./pool/rate.ts"
import { Fork, Submit, submitNow } from "./pool/submit.ts"
import { makeTaskUnsafe, type TaskOptions } from "./pool/task.ts"
import { awaitEnds, awaitStats, awaitUntil } from "./pool/waits.ts"
import { type Registry, registryOf } from "./registry.ts"
import type { RuntimeFiber } from "./runtime/fiber.ts"
import { requireStack } from "./runtime/stack.ts"
import { keepShapes } from "./shapes.ts"
import { taskOperation } from "./taskLast.ts"
import { workers } from "./words.ts"

/** The options of a pool, which its constructor has checked. */
export interface ServiceOptions extends MachineOptions {
  /** The name of the module that makes the pool. */
  readonly kind: string
  /** The waiting time in milliseconds from which the pool warns; undefined for never. */
  readonly warnAfter: number | undefined
  readonly shutdown: ClosingDefaults
  readonly classify: Classify | undefined
  /** Whether the pool always measures the times of its tasks. */
  readonly timing: boolean
  /** Sizes the pool while it is open. */
  readonly sizing?: ((machine: Machine, context: Context.Context<never>) => Sizing) | undefined
}

const blockingOptionNames = [...submitOptions, "args", "executor", "onInterrupt", "timeout", "transfer"]

/** How many events a slow reader may lag behind before it loses the oldest ones. */
const eventBuffer = 256

/** Makes a pool that lives as long as the scope. */
export const makeService = (options: ServiceOptions): Effect.Effect<TaskPoolService, never, Scope> =>
  Effect.withFiber((fiber) => {
    keepShapes()
    const context = lasting(fiber.context)
    const registry = registryOf(context)
    const machine = new Machine(options, context, poolLog(context, options.name, options.kind))
    if (options.classify !== undefined && options.sizing === undefined) {
      machine.observers.observe(new RetryAfter(machine, options.classify))
    }
    if (options.timing) machine.observers.measure()
    const ids = new TaskIds()
    const warnings = options.warnAfter === undefined ? undefined : new Warnings(machine, options.warnAfter, ids)
    machine.warnings = warnings
    const inspect = inspector(machine, ids, () => warnings?.current() ?? [])
    const sizing = options.sizing?.(machine, context)
    let leaveRegistry = (): void => {}
    const lifecycle = new Lifecycle(machine, context, {
      ...options,
      whileOpen: sizing?.run,
      onEnd: () => leaveRegistry()
    })
    const closeForGood = (exit: Exit.Exit<unknown, unknown>) =>
      Effect.withFiber((fiber) => {
        const inside = entryOf(machine, fiber) !== undefined
        const mode = inside ? "interrupt" : closingModeOf(exit, options.shutdown)
        const report = lifecycle.closeForGoodUnsafe(mode, Exit.isFailure(exit))
        // A task that closes the scope of its own pool would wait for itself.
        return inside ? Effect.void : lendMeanwhile(machine, fiber, report)
      })
    const service = serviceOf(machine, lifecycle, sizing, inspect, options)
    // Before the finalizer, which a closed scope runs at once.
    leaveRegistry = enterRegistry(registry, machine, options, service, sizing)
    return Effect.as(Effect.addFinalizer(closeForGood), service)
    // An interruption between making the pool and adding its finalizer would leave a pool that never closes.
  }).pipe(Effect.uninterruptible)

const enterRegistry = (
  registry: Registry,
  machine: Machine,
  { kind, name }: ServiceOptions,
  service: TaskPoolService,
  sizing: Sizing | undefined
): (() => void) => {
  const [, leave] = registry.enterPool(
    name,
    machine.clock,
    (id, openedAt): LocalPoolEntry => {
      const bounds = sizing === undefined ? undefined : { min: machine.min, max: machine.max }
      return { _tag: "Local", id, name, kind, openedAt, service, timing: timingOf(machine), bounds }
    },
    { machine, decisions: sizing?.log.counts }
  )
  return leave
}

const timingOf = (machine: Machine): Effect.Effect<PoolTiming | undefined> => {
  // A watcher reads the times once a second, and most pools of a large program are idle: a copy serves until a task is
  // timed.
  let last: PoolTiming | undefined
  return Effect.sync(() => {
    const { isMeasuring, timing } = machine.observers
    if (!isMeasuring) return undefined
    const { queue, run } = timing!
    if (last?.queue.count !== queue.count || last.run.count !== run.count) {
      last = { queue: queue.copy(), run: run.copy() }
    }
    return last
  })
}

const closingModeOf = (exit: Exit.Exit<unknown, unknown>, { onInterrupt }: ClosingDefaults): "drain" | "interrupt" => {
  if (Exit.isSuccess(exit)) return "drain"
  return onInterrupt === "drain" && Cause.hasInterruptsOnly(exit.cause) ? "drain" : "interrupt"
}

const serviceOf = (
  machine: Machine,
  lifecycle: Lifecycle,
  sizing: Sizing | undefined,
  inspect: (options?: InspectOptions) => PoolInspection,
  options: ServiceOptions
): TaskPoolService => {
  const suspends = options.onFull === "suspend"

  const submit = taskOperation(
    "TaskPool.submit",
    (work: any, submitOptions?: TaskOptions) => new Submit(machine, "TaskPool.submit", work, submitOptions),
    (fiber, work: any, submitOptions) =>
      submitNow(fiber as RuntimeFiber, machine, "TaskPool.submit", work, submitOptions)
  )

  const fork = (where: string, mayWait: boolean) => {
    const operation = (work: any, submitOptions?: TaskOptions) =>
      new Fork((context) => makeTaskUnsafe(machine, where, work, submitOptions, context), mayWait, true)
    return taskOperation(where, operation, (_, work, submitOptions) => operation(work, submitOptions))
  }

  const forEach = (
    where: string,
    items: Iterable<unknown> | AsyncIterable<unknown>,
    f: (item: unknown, index: number) => unknown,
    forEachOptions: ForEachOptions = {}
  ) =>
    withBulkSpan(
      machine,
      forEachOptions?.spans,
      () => lengthOf(items),
      (span) =>
        runBulk(machine, () => {
          const taskOptions = itemOptionsOf(machine, where, forEachOptions, ["discard", "unordered", "spans"])
          const { discard = false, spans, unordered = false } = forEachOptions
          checkBoolean(where, "discard", discard)
          checkBoolean(where, "unordered", unordered)
          if (spans !== undefined) checkWord(where, "spans", ["each"], spans)
          return {
            where,
            source: sourceOf(where, items),
            items,
            f: checkFunction(where, "f", f),
            ...taskOptions,
            collect: discard ? "discard" : unordered ? "unordered" : "ordered",
            span
          }
        })
    )

  const all = (effects: Iterable<unknown> | Record<string, unknown>, allOptions: SubmitOptions = {}) =>
    Effect.suspend(() => {
      const where = "TaskPool.all"
      checkKnown(where, allOptions, submitOptions)
      for (const name of perItem) {
        if (typeof allOptions[name] !== "function") continue
        throw new TypeError(`${where}: ${name} must be a value: only forEach and mapEffect take functions of the item`)
      }
      if (typeof effects === "object" && effects !== null && Symbol.iterator in effects) {
        return forEach(where, effects, identity, allOptions)
      }
      if (!isRecord(effects)) return refuseType(where, "effects", "an Iterable or a record", effects)
      const keys = Object.keys(effects)
      const values = keys.map((key) => effects[key])
      return Effect.map(forEach(where, values, identity, allOptions), (results) =>
        Object.fromEntries(keys.map((key, index) => [key, results[index]]))
      )
    })

  const resize = (where: string, why: string, size: () => number, resizeOptions: ResizeOptions = {}) =>
    Effect.withFiber((fiber) => {
      const { mode = "soft" } = checkKnown(where, resizeOptions, ["mode"])
      checkWord(where, "mode", ["soft", "hard"], mode)
      requireStack()
      const target = machine.resizeByHand(size(), why)
      if (mode === "soft") return Effect.succeed(target)
      const leaving = interruptSurplus(machine, fiber.id)
      if (leaving.length === 0) return Effect.succeed(target)
      const ends = Effect.as(awaitEnds(machine, leaving), target)
      // A task that is itself interrupted does not wait for long, and computes meanwhile.
      return leaving.includes(entryOf(machine, fiber)!) ? ends : lendMeanwhile(machine, fiber, ends)
    })

  const close = (closeOptions: CloseOptions = {}): Effect.Effect<any> =>
    Effect.withFiber((fiber) => {
      const how = closingOf(closeOptions)
      const report = fromOutside("close", fiber, () => lendMeanwhile(machine, fiber, lifecycle.closeUnsafe(how)))
      // The pool may have closed before, and has kept no list.
      return how.collect === true ? Effect.map(report, (report) => ({ tasks: [], ...report })) : report
    })

  const start = Effect.withFiber((fiber) =>
    machine.phase === "Draining"
      ? fromOutside("start", fiber, () => lendMeanwhile(machine, fiber, lifecycle.start))
      : lifecycle.start
  )

  /** Runs an operation that waits for all tasks of the pool. Dies in a task of the pool, which would wait for itself. */
  const fromOutside = <A, E, R>(
    operation: string,
    fiber: Fiber<unknown, unknown>,
    effect: () => Effect.Effect<A, E, R>
  ): Effect.Effect<A, E, R> =>
    entryOf(machine, fiber) === undefined
      ? effect()
      : Effect.die(
          new Error(
            `TaskPool.${operation}: a task of ${machine.name} would wait for itself, because the pool waits for it`
          )
        )

  /** Closing ends the holds of users, and none begins before the pool is open again. */
  const hold = Effect.sync(() => (machine.phase === "Open" ? machine.holds.beginByUser() : () => {}))
  const withDispatchHeld = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.acquireUseRelease(hold, () => effect, Effect.sync)

  /** Pauses or resumes, if the pool is open. */
  const setPaused = (paused: () => boolean) =>
    Effect.sync(() => {
      const isOpen = machine.phase === "Open"
      if (isOpen) {
        if (paused()) machine.pauses.pause()
        else machine.pauses.resume()
      }
      return isOpen && machine.paused
    })

  const neverReady = Effect.suspend(() =>
    Effect.die(
      new Error(
        `TaskPool: a task would wait for ${machine.name}, whose tasks wait for its own pool, which has nested: "fail"`
      )
    )
  )
  /** As `awaitUntil`; a task lends its worker meanwhile, because the condition may need that worker. */
  const awaitBeside = (ready: () => boolean): Effect.Effect<void> =>
    Effect.withFiber((fiber) => {
      machine.flush()
      return ready() ? Effect.void : lendMeanwhile(machine, fiber, awaitUntil(machine, ready), neverReady)
    })
  const untilIdle = awaitBeside(machine.isIdle)

  return {
    name: machine.name,
    submit,
    fork: fork("TaskPool.fork", suspends),
    submitNowait: fork("TaskPool.submitNowait", false),
    forEach: (
      items: Iterable<any> | AsyncIterable<any>,
      f: (item: any, index: number) => unknown,
      forEachOptions?: ForEachOptions
    ) => forEach("TaskPool.forEach", items, f, forEachOptions),
    all: all as TaskPoolService["all"],
    mapEffect: (first: any, second?: any, third?: any): any =>
      typeof first === "function"
        ? (stream: Stream.Stream<any, any, any>) => mapEffect(machine, stream, first, second)
        : mapEffect(machine, first, second, third),
    submitBlocking: (job: any, blockingOptions: any = {}) =>
      Effect.suspend(() => {
        const where = "TaskPool.submitBlocking"
        const {
          args,
          executor = Executor,
          onInterrupt,
          timeout,
          transfer,
          ...taskOptions
        } = checkOwn(where, blockingOptions, blockingOptionNames)
        checkExecutor(where, executor)
        const run: Effect.Effect<any, any, any> = executor.run(job, args, { transfer, onInterrupt })
        const limited = timeout === undefined ? run : Effect.timeout(run, checkDuration(where, "timeout", timeout))
        if (Effect.isEffect(limited) && typeof job?.name === "string") nameEffect(limited, job.name)
        return new Submit(machine, where, limited, taskOptions as TaskOptions)
      }),
    scale: (delta, resizeOptions) =>
      resize("TaskPool.scale", "scale", () => machine.target + checkDelta("TaskPool.scale", delta), resizeOptions),
    resize: (size, resizeOptions) =>
      resize("TaskPool.resize", "resize", () => checkLimit("TaskPool.resize", "size", size), resizeOptions),
    awaitResized: awaitBeside(machine.isResized),
    pause: setPaused(() => true),
    resume: setPaused(() => false),
    togglePause: setPaused(() => !machine.pauses.isByHand),
    withPaused: (effect) =>
      Effect.acquireUseRelease(
        Effect.sync(() => {
          checkEffect("TaskPool.withPaused", effect)
          return machine.pauses.begin()
        }),
        () => effect,
        Effect.sync
      ),
    holdDispatch: Effect.asVoid(Effect.acquireRelease(hold, Effect.sync)),
    withDispatchHeld: (effect) =>
      Effect.suspend(() => {
        checkEffect("TaskPool.withDispatchHeld", effect)
        return withDispatchHeld(effect)
      }),
    holdFor: (duration) =>
      Effect.sync(() => {
        const millis = Duration.toMillis(checkDuration("TaskPool.holdFor", "duration", duration))
        if (machine.phase !== "Closed") machine.holds.beginFor(millis)
      }),
    withQuiesced: (effect) =>
      Effect.withFiber((fiber) => {
        checkEffect("TaskPool.withQuiesced", effect)
        return fromOutside("withQuiesced", fiber, () =>
          withDispatchHeld(Effect.andThen(awaitBeside(machine.isQuiet), effect))
        )
      }),
    clear: (clearOptions = {}) =>
      Effect.sync(() => {
        const where = "TaskPool.clear"
        const { key, label } = checkKnown(where, clearOptions, ["key", "label"])
        if (key !== undefined) checkKey(where, key)
        if (label !== undefined) checkLabel(where, label)
        return clear(machine, { key, label })
      }),
    awaitEmpty: awaitBeside(machine.isEmpty),
    awaitIdle: Effect.withFiber((fiber) => fromOutside("awaitIdle", fiber, () => untilIdle)),
    awaitStats: (predicate) =>
      Effect.suspend(() => awaitStats(machine, checkFunction("TaskPool.awaitStats", "predicate", predicate))),
    stats: Effect.sync(() => {
      machine.settleOverflowed()
      return machine.stats()
    }),
    inspect: (inspectOptions) => Effect.sync(() => inspect(inspectOptions)),
    decisions: (last = 20) =>
      Effect.sync(() => {
        checkCount("TaskPool.decisions", "last", last)
        return sizing?.log.last(last) ?? []
      }),
    statsOf: (key) => Effect.sync(() => machine.statsOf(checkKey("TaskPool.statsOf", key))),
    adjustCost: (cost) =>
      Effect.withFiber((fiber) => {
        const where = "TaskPool.adjustCost"
        const change = checkCostChange(where, machine.rates, cost)
        const entry = entryOf(machine, fiber)
        if (entry === undefined) return Effect.die(new Error(`${where}: must be called in a task of ${machine.name}`))
        machine.adjustCost(entry, change)
        return Effect.void
      }),
    explain: (last = 20) =>
      Effect.sync(() => {
        checkCount("TaskPool.explain", "last", last)
        return (
          sizing?.log.table(last) ?? `${machine.name}: a fixed pool, ${workers(machine.target)}, which decides nothing`
        )
      }),
    events: Stream.unwrap(Effect.map(subscribe(machine, lifecycle), Stream.fromQueue)),
    close,
    start
  }
}

const checkExecutor = (where: string, executor: unknown): void => {
  if (typeof (executor as { readonly run?: unknown } | null)?.run === "function") return
  refuseType(where, "executor", "the tag of an Executor", executor)
}

const closingOf = (options: CloseOptions): Closing => {
  const where = "TaskPool.close"
  const {
    drainTimeout,
    interruptTimeout,
    collect = false,
    mode = "drain"
  } = checkKnown(where, options, ["mode", "drainTimeout", "interruptTimeout", "collect"])
  const limit = (what: string, value: CloseOptions["drainTimeout"]): Duration.Duration | undefined =>
    value === undefined ? undefined : checkDuration(where, what, value)
  return {
    mode: checkWord(where, "mode", ["drain", "interrupt"], mode),
    drainTimeout: limit("drainTimeout", drainTimeout),
    interruptTimeout: limit("interruptTimeout", interruptTimeout),
    collect: checkBoolean(where, "collect", collect)
  }
}

const subscribe = (
  machine: Machine,
  lifecycle: Lifecycle
): Effect.Effect<Queue.Dequeue<PoolEvent, Cause.Done>, never, Scope> =>
  Effect.acquireRelease(
    Effect.tap(Queue.sliding<PoolEvent, Cause.Done>(eventBuffer), (queue) =>
      Effect.sync(() => lifecycle.subscribe(queue, (event) => void Queue.offerUnsafe(queue, event)))
    ),
    (queue) =>
      Effect.sync(() => {
        machine.events.unsubscribe(queue)
        Queue.shutdownUnsafe(queue)
      })
  )
