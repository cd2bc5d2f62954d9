/**
 * The worker's side of a task: finds the handler, decodes the payload, runs the handler and encodes its exit.
 *
 * A delivery is foreign data. Nothing of it is used before it is checked, and handlers are found in a `Map`, so that no
 * name reaches a prototype.
 */
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import type { Json } from "effect/Schema"
import * as Tracer from "effect/Tracer"
import type { TaskContext, TaskHandler } from "../DistributedTask.ts"
import { TaskLost } from "../DistributedTaskPoolError.ts"
import type { WorkerOptions } from "../DistributedTaskPoolOptions.ts"
import { checkDuration, checkHandlers, checkKnown, checkMillis, checkPositive, handlePromise } from "./arguments.ts"
import { codecOf, ownFields, parseTraceparent, wireFormat } from "./codec.ts"
import type { Delivery, Driver, RunResult, WorkerSpec } from "./driver.ts"
import { enter } from "./nested.ts"
import { hasTracer } from "./tracing.ts"

const workerOptions = ["concurrency", "shutdown", "lease", "stalledCheck", "unknownFor", "maxDeaths"]

/** Checks the arguments of a worker. */
export const checkWorker = (where: string, handlers: ReadonlyArray<TaskHandler<any>>, options: WorkerOptions) => {
  const { concurrency, maxDeaths = 3, shutdown = {} } = checkKnown(where, options, workerOptions)
  const { lease = "15 seconds", stalledCheck = "5 seconds", unknownFor = "60 seconds" } = options
  const limits = checkKnown(`${where}: shutdown`, shutdown, ["drainTimeout", "interruptTimeout"])
  const { drainTimeout = Duration.infinity, interruptTimeout = "3 seconds" } = limits
  const byName = checkHandlers(where, handlers)
  // Throws here, and not while a task runs, if a schema has no form in JSON.
  for (const { task } of byName.values()) codecOf(task)
  return {
    handlers: byName,
    concurrency: checkPositive(where, "concurrency", concurrency),
    drainTimeout: checkDuration(where, "drainTimeout", drainTimeout),
    interruptTimeout: checkDuration(where, "interruptTimeout", interruptTimeout),
    lease: checkMillis(where, "lease", lease, "> 0"),
    stalledCheck: checkMillis(where, "stalledCheck", stalledCheck, "> 0"),
    unknownFor: checkMillis(where, "unknownFor", unknownFor, "> 0"),
    maxDeaths: checkPositive(where, "maxDeaths", maxDeaths)
  }
}

/** Makes what a driver needs to run tasks, with the services of the fiber that makes it. */
export const workerOf = <R>(
  where: string,
  given: ReadonlyArray<TaskHandler<R>>,
  options: WorkerOptions,
  driver: Driver,
  sizeLimit: number
): Effect.Effect<WorkerSpec, never, R> =>
  Effect.contextWith((context: Context.Context<R>) => {
    const { handlers, ...limits } = checkWorker(where, given, options)
    // The layer's own scope and span end before the handler's.
    const services = Context.omit(Tracer.ParentSpan)(context) as Context.Context<never>
    return Effect.succeed({
      ...limits,
      names: [...handlers.keys()],
      knows: (name) => handlers.has(name),
      run: (delivery) => {
        const handler = handlers.get(delivery.name)
        if (handler === undefined) return Effect.succeed(unknown("no handler for the task"))
        return runHandler(driver, handler, delivery, services, sizeLimit)
      }
    })
  })

const runHandler = (
  driver: Driver,
  { run, task }: TaskHandler<any>,
  delivery: Delivery,
  services: Context.Context<never>,
  sizeLimit: number
): Effect.Effect<RunResult> => {
  const data = dataOf(delivery.data)
  if (data === undefined) return Effect.succeed(undecodable(delivery, "data: no task of this format"))
  if (data.f > wireFormat) return Effect.succeed(unknown(`format ${data.f} is newer than ${wireFormat}`))
  const codec = codecOf(task)
  const { context, inside } = enter(services, driver.identity)
  const taskContext: TaskContext<any> = {
    id: delivery.id,
    attempt: delivery.attempt,
    stalls: delivery.stalls,
    progress: (value) =>
      Effect.matchEffect(codec.encodeProgress(value, sizeLimit), {
        onFailure: ({ detail }) => Effect.die(new TypeError(`TaskContext.progress: ${detail}`)),
        onSuccess: delivery.progress
      })
  }
  const attributes = {
    pool: driver.name,
    task: task.name,
    id: delivery.id,
    attempt: delivery.attempt,
    stalls: delivery.stalls
  }
  const parent = data.t === undefined ? undefined : Tracer.externalSpan(data.t)
  const span = {
    kind: "consumer",
    attributes,
    ...(parent === undefined ? { root: true } : { parent })
  } as const
  const traced: <A, E>(effect: Effect.Effect<A, E>) => Effect.Effect<A, E> =
    parent === undefined && !hasTracer(context)
      ? (effect) => effect
      : Effect.withSpan("DistributedTask.run", span, { captureStackTrace: false })
  const handled = (payload: unknown): Effect.Effect<Exit.Exit<unknown, unknown>> =>
    Effect.suspend(() => {
      const effect = run(payload, taskContext)
      return Effect.isEffect(effect)
        ? (effect as Effect.Effect<unknown, unknown>)
        : Effect.die(new TypeError(`the handler of ${task.name} ${returnedOf(effect)}`))
      // What a handler acquires is released when its task ends, not when its worker does.
    }).pipe(Effect.scoped, Effect.exit)
  const whole = Effect.matchEffect(codec.decodePayload(data.p), {
    onFailure: ({ detail }) => Effect.succeed(undecodable(delivery, detail)),
    onSuccess: (payload) => Effect.flatMap(handled(payload), resultOf)
  })
  // A schema may never answer either, so the timeout holds for all of the attempt.
  const timed =
    data.l === undefined
      ? whole
      : Effect.map(
          Effect.timeoutOption(whole, data.l),
          Option.getOrElse(() => timedOut)
        )
  return timed.pipe(
    traced,
    // A tracer is user code.
    Effect.catchDefect((defect) => resultOf(Exit.die(defect))),
    Effect.provideContext(context),
    Effect.ensuring(
      Effect.sync(() => {
        inside.isRunning = false
      })
    )
  )

  function resultOf(exit: Exit.Exit<unknown, unknown>): Effect.Effect<RunResult> {
    return Effect.match(codec.encodeExit(exit, sizeLimit), {
      onFailure: ({ detail }) => undecodable(delivery, detail),
      onSuccess: (json): RunResult => ({
        _tag: "Settled",
        answer: { exit: json },
        exit,
        retry: exit._tag === "Failure" && Cause.hasFails(exit.cause)
      })
    })
  }
}

const returnedOf = (value: unknown): string =>
  handlePromise(value) ? "returned a Promise of an async function: wrap it in Effect.tryPromise" : "returned no Effect"

/** Checks the data of a delivery. */
const dataOf = (value: unknown) => {
  if (typeof value !== "object" || value === null) return undefined
  const { f, l, p, t } = ownFields(value)
  if (typeof f !== "number" || !Number.isSafeInteger(f) || f < 1) return undefined
  const isLimit = typeof l === "number" && l >= 1 && l <= Number.MAX_SAFE_INTEGER
  return { f, p: p as Json, l: isLimit ? l : undefined, t: parseTraceparent(t) }
}

const undecodable = ({ attempt, id }: Delivery, detail: string): RunResult => ({
  _tag: "Settled",
  answer: { lost: "Undecodable", attempts: attempt, detail },
  exit: Exit.fail(new TaskLost({ id, reason: "Undecodable", attempts: attempt, detail })),
  retry: false
})

const unknown = (detail: string): RunResult => ({ _tag: "Unknown", detail })

const timedOut: RunResult = {
  _tag: "Settled",
  answer: { cancelled: "TimedOut", started: true },
  // An auto-scale pool takes it for a sign of overload, as everywhere in the core.
  exit: Exit.fail(new Cause.TimeoutError()),
  retry: false
}
