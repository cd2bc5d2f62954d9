/**
 * Makes the service of a pool from the driver of an engine: all that the engines have in common.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import type { Span } from "effect/Tracer"
import type { Any } from "../DistributedTask.ts"
import type { DistributedTaskHandle } from "../DistributedTaskHandle.ts"
import { NotAvailable, TaskCancelled, TaskLost } from "../DistributedTaskPoolError.ts"
import type { CloseOptions, SubmitOptions } from "../DistributedTaskPoolOptions.ts"
import type { DistributedTaskPoolService } from "../DistributedTaskPoolService.ts"
import {
  checkBackoff,
  checkDelta,
  checkFunction,
  checkId,
  checkKnown,
  checkMillis,
  checkPositive,
  checkSize,
  checkTask,
  checkWeight,
  checkWord
} from "./arguments.ts"
import { codecOf, traceparentOf, wireFormat } from "./codec.ts"
import type { Driver, Entry, Restore } from "./driver.ts"
import { endedFromOutside, isInside } from "./nested.ts"
import { workerOf } from "./runner.ts"
import { isTraced } from "./tracing.ts"
import type { Answer } from "./wire.ts"
import { sourceOf } from "./source.ts"

/** What the service needs to know of a pool. */
export interface ServiceOptions {
  /** The most bytes of an encoded payload, result or progress value. */
  readonly sizeLimit: number
}

type Failure = NotAvailable | TaskCancelled | TaskLost

const taskOptions = ["weight", "delay", "attempts", "backoff", "timeout"]
const submitOptions = [...taskOptions, "id"]
const forEachOptions = [...taskOptions, "window"]

/** Makes the service. */
export const makeService = (driver: Driver, { sizeLimit }: ServiceOptions): DistributedTaskPoolService => {
  const pool = driver.name

  /** Encodes and sends a task, in an uninterruptible region. What the arguments refuse is a defect of this call. */
  const add = (
    where: string,
    task: Any,
    payload: unknown,
    options: SubmitOptions,
    span: Span | undefined,
    isForked: boolean,
    restore: Restore
  ): Effect.Effect<Entry, NotAvailable | TaskLost> =>
    Effect.suspend(() => {
      const { id, ...known } = checkOptions(where, options)
      return Effect.flatMap(restore(encode(task, payload)), (p) => {
        const t = span === undefined ? undefined : traceparentOf(span)
        const data = {
          f: wireFormat,
          p,
          ...(t === undefined ? {} : { t }),
          r: driver.submitter,
          ...(known.timeout === undefined ? {} : { l: known.timeout })
        }
        const { attempts, backoff, delay, weight } = known
        const added = driver.add(
          {
            id: id === undefined ? crypto.randomUUID() : id,
            isNamed: id !== undefined,
            isKnown: id !== undefined || isForked,
            name: task.name,
            data,
            weight,
            delay,
            attempts,
            backoff
          },
          restore
        )
        return id === undefined ? added : Effect.flatMap(added, (entry) => checkEntry(task, entry))
      })
    })

  const encode = (task: Any, payload: unknown) =>
    Effect.mapError(
      codecOf(task).encodePayload(payload, sizeLimit),
      ({ detail }) => new TaskLost({ id: "", reason: "Undecodable", attempts: 0, detail })
    )

  /** The ID of a task of another name gives no result of this task. */
  const checkEntry = (task: Any, entry: Entry): Effect.Effect<Entry, TaskLost> =>
    entry.name === task.name
      ? Effect.succeed(entry)
      : Effect.fail(
          new TaskLost({
            id: entry.id,
            reason: "UnknownTask",
            attempts: 0,
            detail: "the ID belongs to a task of another name"
          })
        )

  const decode = (task: Any, id: string, answer: Answer): Effect.Effect<Exit.Exit<any, any>> => {
    if ("closed" in answer) return exitOf(new TaskCancelled({ reason: "Closed", started: answer.started, pool }))
    if ("cancelled" in answer) {
      return exitOf(new TaskCancelled({ reason: answer.cancelled, started: answer.started, pool }))
    }
    if ("lost" in answer) {
      return exitOf(new TaskLost({ id, reason: answer.lost, attempts: answer.attempts, detail: answer.detail }))
    }
    return Effect.catchTag(codecOf(task).decodeExit(answer.exit), "Unfit", ({ detail }) =>
      exitOf(new TaskLost({ id, reason: "Undecodable", attempts: 1, detail }))
    )
  }

  /** Makes a span if anybody can see it. */
  const withSpan = <A, E>(
    name: string,
    task: Any,
    use: (span: Span | undefined) => Effect.Effect<A, E>
  ): Effect.Effect<A, E> =>
    Effect.withFiber((fiber) =>
      isTraced(fiber)
        ? Effect.useSpan(name, { kind: "producer", attributes: { pool, task: task.name } }, use)
        : use(undefined)
    )

  const refuseNested: Effect.Effect<void, NotAvailable> = Effect.withFiber((fiber) =>
    isInside(fiber, driver.identity) ? Effect.fail(new NotAvailable({ reason: "Nested", pool })) : Effect.void
  )

  const awaitEntry = (task: Any, entry: Entry): Effect.Effect<any, any> =>
    Effect.flatten(Effect.flatMap(entry.answer, (answer) => decode(task, entry.id, answer)))

  /** Adds a task and uses its entry. If `use` is interrupted, a task that this call created is cancelled. */
  const addAndUse = <A, E>(
    where: string,
    task: Any,
    payload: unknown,
    options: SubmitOptions,
    kind: "submit" | "fork",
    use: (entry: Entry) => Effect.Effect<A, E>
  ): Effect.Effect<A, E | NotAvailable | TaskLost> =>
    withSpan(`DistributedTaskPool.${kind}`, task, (span) =>
      Effect.uninterruptibleMask((restore) =>
        Effect.flatMap(add(where, task, payload, options, span, kind === "fork", restore), (entry) => {
          const result = restore(use(entry))
          return entry.created ? Effect.onInterrupt(result, () => entry.abandon) : result
        })
      )
    )

  const submit = (where: string, task: Any, payload: unknown, options: SubmitOptions): Effect.Effect<any, any> =>
    addAndUse(where, task, payload, options, "submit", (entry) => awaitEntry(task, entry))

  /** A handle may exist a million times. So it is small: its effects are getters. */
  class Handle implements DistributedTaskHandle<any, any, any> {
    private readonly task: Any
    private readonly entry: Entry

    constructor(task: Any, entry: Entry) {
      this.task = task
      this.entry = entry
    }

    get id(): string {
      return this.entry.id
    }
    get join(): Effect.Effect<any, any> {
      return Effect.andThen(refuseNested, awaitEntry(this.task, this.entry))
    }
    get await(): Effect.Effect<Exit.Exit<any, any>> {
      return Effect.exit(this.join)
    }
    get cancel(): Effect.Effect<void, NotAvailable> {
      return this.entry.cancel
    }
    get poll(): Effect.Effect<Option.Option<Exit.Exit<any, any>>, NotAvailable> {
      const { entry, task } = this
      return Effect.flatMap(entry.poll, (answer) =>
        answer === undefined ? Effect.succeedNone : Effect.map(decode(task, entry.id, answer), Option.some)
      )
    }
    get state(): Entry["state"] {
      return this.entry.state
    }
    reprioritize(weight: number): ReturnType<Entry["reprioritize"]> {
      return Effect.suspend(() => this.entry.reprioritize(checkWeight("DistributedTaskHandle.reprioritize", weight)))
    }
    get progress(): Stream.Stream<any> {
      const { entry, task } = this
      return Stream.filterMapEffect(entry.progress, (json) => Effect.result(codecOf(task).decodeProgress(json)))
    }
  }

  const handleOf = (task: Any, entry: Entry): DistributedTaskHandle<any, any, any> => new Handle(task, entry)

  return {
    name: pool,
    submit: (task, payload, options = {}) =>
      Effect.suspend(() => {
        const where = "DistributedTaskPool.submit"
        checkTask(where, task)
        return Effect.andThen(refuseNested, submit(where, task, payload, options))
      }),
    fork: (task, payload, options = {}) =>
      Effect.suspend(() => {
        const where = "DistributedTaskPool.fork"
        checkTask(where, task)
        return addAndUse(where, task, payload, options, "fork", (entry) => Effect.succeed(handleOf(task, entry)))
      }),
    attach: (task, id) =>
      Effect.suspend(() => {
        const where = "DistributedTaskPool.attach"
        checkTask(where, task)
        checkId(where, id)
        return Effect.flatMap(driver.find(id), (entry) =>
          entry === undefined
            ? Effect.fail(
                new TaskLost({ id, reason: "Vanished", attempts: 0, detail: "the pool has no task of this ID" })
              )
            : Effect.map(checkEntry(task, entry), () => handleOf(task, entry))
        )
      }),
    forEach: (items, task, toPayload, options = {}) =>
      Effect.suspend(() => {
        const where = "DistributedTaskPool.forEach"
        checkTask(where, task)
        checkFunction(where, "toPayload", toPayload)
        const { window = 64, ...rest } = checkKnown(where, options, forEachOptions)
        checkPositive(where, "window", window)
        checkOptions(where, rest)
        const results = sourceOf(where, items).pipe(
          Stream.zipWithIndex,
          Stream.mapEffect(([item, index]) => submit(where, task, toPayload(item, index), rest), {
            concurrency: window
          }),
          Stream.runCollect
        )
        return Effect.andThen(refuseNested, results)
      }),
    scale: (delta) => Effect.suspend(() => driver.resize({ delta: checkDelta("DistributedTaskPool.scale", delta) })),
    resize: (size) => Effect.suspend(() => driver.resize({ size: checkSize("DistributedTaskPool.resize", size) })),
    holdDispatch: driver.hold,
    releaseDispatch: driver.release,
    pause: driver.pause,
    resume: driver.resume,
    stats: driver.stats,
    events: driver.events,
    close: (options = {}) =>
      Effect.suspend(() => {
        const where = "DistributedTaskPool.close"
        const { mode = "keep" } = checkKnown<CloseOptions>(where, options, ["mode"])
        return driver.close(checkWord(where, "mode", ["keep", "cancel"], mode))
      }),
    worker: (handlers, options) =>
      Effect.suspend(() =>
        Effect.flatMap(workerOf("DistributedTaskPool.worker", handlers, options, driver, sizeLimit), (worker) =>
          endedFromOutside(driver.identity, driver.work(worker))
        )
      )
  }
}

const exitOf = (error: Failure): Effect.Effect<Exit.Exit<never, Failure>> => Effect.succeed(Exit.fail(error))

/** Checks the options of one task. */
const checkOptions = (where: string, options: SubmitOptions) => {
  const { attempts = 1, backoff, delay = 0, id, timeout, weight = 4 } = checkKnown(where, options, submitOptions)
  return {
    id: id === undefined ? undefined : checkId(where, id),
    weight: checkWeight(where, weight),
    delay: checkMillis(where, "delay", delay, ">= 0"),
    attempts: checkPositive(where, "attempts", attempts),
    backoff: backoff === undefined ? undefined : checkBackoff(where, backoff),
    timeout: timeout === undefined ? undefined : checkMillis(where, "timeout", timeout, "> 0")
  }
}
