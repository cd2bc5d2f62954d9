/**
 * The span of a task, `task_pool.task`: from its admission to the end of its finalizers.
 *
 *     admitted ──> span begins (dispatch) ──> task runs ──> finished (its fiber has ended) ──> span ends (flush)
 *                       ↑                                      │ the task is tried again
 *                       └──────────────────── next ────────────┘
 *
 * A task has a trace only if its submitter has a recorded span, and each attempt has a trace of its own. The tracer and
 * its spans are user code: the span begins where the task's own code begins, and a flush ends it, ahead of the task's
 * waiters. What they throw is logged, and the task runs without a span. A span that cannot be set up is ended.
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Exit from "effect/Exit"
import type { Fiber } from "effect/Fiber"
import * as LogLevel from "effect/LogLevel"
import * as Option from "effect/Option"
import * as References from "effect/References"
import * as Tracer from "effect/Tracer"
import type { PoolStats } from "../../PoolStats.ts"
import { type NotAvailableReason, TaskCancelled } from "../../TaskPoolError.ts"
import { overlaySpan } from "../runtime/fiber.ts"
import { hasKnownRuntime } from "../runtime/probe.ts"
import { noStamp } from "./ages.ts"
import type { Notifiable } from "./completions.ts"
import type { UserCode } from "./log.ts"

/** How a task has ended, as the statistics count it. */
export type Outcome = "succeeded" | "failed" | "interrupted" | "cancelled"

/** The pool, as a trace sees it. */
export interface TracedPool {
  readonly name: string
  readonly kind: string
  /** The tracing of the context that submitted last, while any task waits in the queue. */
  tracing: Tracing | undefined
  readonly userCode: Pick<UserCode, "onDefect">
  enqueueCompletion(completion: Notifiable): void
}

/** The task, as a trace sees it. */
export interface TracedTask {
  readonly context: Context.Context<never> | undefined
  readonly weight: number
  /** The name of the task for people. */
  readonly label: string
  /** The stamp of the arrival; `noStamp` if the task found a free worker. */
  readonly arrivedAt: number
}

/** Returns the span that a new span would have as its parent; `undefined` if the new span would not be recorded. */
export const recordedParent = ({ cache, context }: Fiber<unknown, unknown>): Tracer.AnySpan | undefined => {
  const parent = propagating(cache.span)
  if (parent === undefined || !parent.sampled || !cache.tracerEnabled) return undefined
  const minimum = Context.get(context, Tracer.MinimumTraceLevel)
  if (minimum === "All" || !LogLevel.isGreaterThan(minimum, Context.get(context, Tracer.CurrentTraceLevel))) {
    return parent
  }
  return undefined
}

const propagating = (span: Tracer.AnySpan | undefined): Tracer.AnySpan | undefined => {
  let nearest = span
  while (nearest !== undefined && Context.get(nearest.annotations, Tracer.DisablePropagation)) {
    nearest = nearest._tag === "Span" ? Option.getOrUndefined(nearest.parent) : undefined
  }
  return nearest
}

/**
 * What the spans of all tasks have in common that are submitted in one context. Reading it from the context takes as
 * long as making the span.
 */
export class Tracing {
  readonly pool: TracedPool
  readonly context: Context.Context<never>
  readonly parent: Option.Option<Tracer.AnySpan>
  /** The span on which a rejection is reported. */
  readonly caller: Tracer.AnySpan | undefined
  readonly tracer: Tracer.Tracer
  /** The submitter's clock; `undefined` if its spans have no times. */
  readonly clock: Clock.Clock | undefined
  readonly links: ReadonlyArray<Tracer.SpanLink>
  readonly annotations: Readonly<Record<string, unknown>>

  constructor(
    pool: TracedPool,
    { cache, context }: Pick<Fiber<unknown, unknown>, "cache" | "context">,
    parent: Tracer.AnySpan | undefined,
    caller = parent
  ) {
    this.pool = pool
    this.context = context
    this.parent = Option.fromUndefinedOr(parent)
    this.caller = caller
    this.tracer = cache.tracer ?? Tracer.nativeTracer
    this.clock = Context.get(context, References.TracerTimingEnabled) ? Context.get(context, Clock.Clock) : undefined
    this.links = Context.get(context, References.TracerSpanLinks)
    this.annotations = Context.get(context, References.TracerSpanAnnotations)
  }
}

export class Trace implements Notifiable {
  /** The span while the task runs. */
  span: Tracer.Span | undefined = undefined
  /** How the task has ended. Set before it settles. */
  outcome: Outcome = "failed"
  private readonly tracing: Tracing
  private admittedAt = 0n
  private dispatchedAt = 0n
  private endedAt = 0n
  private lentAt: bigint | undefined = undefined
  private lentFor = 0n
  private exit: Exit.Exit<unknown, unknown> | undefined = undefined
  /** Whether the tracer makes the span. It is user code, and may end the task. */
  private isMaking = false

  constructor(tracing: Tracing) {
    this.tracing = tracing
  }

  /** Returns the trace of the next attempt. */
  next(): Trace {
    return new Trace(this.tracing)
  }

  /** Notes that the task was admitted, or that its next attempt is due. */
  admitted(): void {
    this.admittedAt = this.dispatchedAt = this.now()
  }

  /** Begins the span, and returns the context for the task's fiber. */
  begin(task: TracedTask): Context.Context<never> {
    const context = task.context!
    // A plain `try`: the tracer is user code, and may overflow the stack.
    try {
      this.beginSpan(task)
    } catch (defect) {
      this.dropSpan(defect)
    }
    return this.span === undefined ? context : withSpan(context, this.span)
  }

  private beginSpan(task: TracedTask): void {
    const { annotations, links, parent, pool, tracer } = this.tracing
    // A task that found a free worker was dispatched in the step of its admission.
    if (task.arrivedAt !== noStamp) this.dispatchedAt = this.now()
    this.isMaking = true
    const span = tracer.span({
      name: "task_pool.task",
      parent,
      annotations: Context.empty(),
      links: links.length === 0 ? [] : links.slice(),
      startTime: this.admittedAt,
      kind: "internal",
      root: false,
      sampled: true
    })
    this.span = span
    for (const key in annotations) span.attribute(key, annotations[key])
    span.attribute("task_pool.name", pool.name)
    span.attribute("task_pool.kind", pool.kind)
    span.attribute("task_pool.task.label", task.label)
    span.attribute("task_pool.task.weight", task.weight)
    span.attribute("task_pool.queue_time", seconds(this.dispatchedAt - this.admittedAt))
    span.event("task_pool.dispatched", this.dispatchedAt)
    this.isMaking = false
    if (this.exit !== undefined) pool.enqueueCompletion(this)
  }

  /** Lets the next flush end a span that the tracer has not set up. The task runs without it. */
  private dropSpan(defect: unknown): void {
    const { dispatchedAt, span } = this
    const { pool } = this.tracing
    this.isMaking = false
    if (span != null) pool.enqueueCompletion({ notify: () => span.end(dispatchedAt, Exit.die(defect)) })
    this.span = undefined
    pool.userCode.onDefect(defect, "the tracer threw, and the task has no span")
  }

  /** Notes that the task has lent its workers. */
  lent(): void {
    this.lentAt ??= this.now()
  }

  /** Notes that the task has its workers back. */
  tookBack(): void {
    if (this.lentAt === undefined) return
    this.lentFor += this.now() - this.lentAt
    this.lentAt = undefined
  }

  /** Notes that the fiber has ended. Returns whether there is a span to end. */
  finish(exit: Exit.Exit<unknown, unknown>): boolean {
    if (this.exit !== undefined || (this.span === undefined && !this.isMaking)) return false
    this.exit = exit
    this.endedAt = this.now()
    if (this.lentAt !== undefined) this.lentFor += this.endedAt - this.lentAt
    return !this.isMaking
  }

  /** Ends the span. */
  notify(): void {
    const { exit, span } = this
    if (span === undefined || exit === undefined) return
    this.span = undefined
    try {
      span.attribute("task_pool.run_time", seconds(this.endedAt - this.dispatchedAt - this.lentFor))
      if (this.lentFor > 0n) span.attribute("task_pool.lent_time", seconds(this.lentFor))
      span.attribute("task_pool.outcome", this.outcome)
      if (exit._tag === "Failure") span.attribute("error.type", errorType(exit.cause))
    } finally {
      span.end(this.endedAt, exit)
    }
  }

  /** Returns what reports a rejection on the submitter's span. */
  rejection(reason: NotAvailableReason, { size, waiting }: PoolStats): Notifiable {
    const at = this.now()
    return { notify: () => reportRejection(this.tracing.caller!, at, { reason, waiting, size }) }
  }

  /** Returns the time in nanoseconds since 1970. A clock is user code, and its error must not reach the machine. */
  private now(): bigint {
    const { clock, pool } = this.tracing
    try {
      if (clock === undefined) return 0n
      const time: unknown = clock.currentTimeNanosUnsafe()
      if (typeof time === "bigint") return time
      // Arithmetic with another answer would throw in the middle of a transition.
      throw new TypeError(`the clock's time must be a bigint, got ${typeof time}`)
    } catch (defect) {
      pool.userCode.onDefect(defect, "the clock failed, and a span has a wrong time")
      return this.dispatchedAt
    }
  }
}

const withSpan = hasKnownRuntime
  ? overlaySpan
  : (context: Context.Context<never>, span: Tracer.Span): Context.Context<never> =>
      Context.add(context, Tracer.ParentSpan, span)

/** Returns the trace of a task that a fiber submits; `undefined` if its span would not be recorded. */
export const traceOf = (pool: TracedPool, fiber: Fiber<unknown, unknown>): Trace | undefined => {
  let { tracing } = pool
  if (tracing === undefined || tracing.context !== fiber.context) {
    pool.tracing = tracing = new Tracing(pool, fiber, recordedParent(fiber))
  }
  return tracing.caller === undefined ? undefined : new Trace(tracing)
}

/** Returns the trace of a task under a span. The span of the caller is the parent of that span, if the pool has made it. */
export const traceUnder = (
  pool: TracedPool,
  parent: Tracer.AnySpan,
  fiber: Fiber<unknown, unknown>,
  caller?: Tracer.AnySpan
): Trace => new Trace(new Tracing(pool, fiber, parent, caller))

/** Reports a rejection on the span of a fiber, if it has a recorded one. */
export const rejectedIn = (
  fiber: Fiber<unknown, unknown>,
  reason: NotAvailableReason,
  { size, waiting }: PoolStats
): void => {
  const span = recordedParent(fiber)
  if (span === undefined) return
  const isTimed = Context.get(fiber.context, References.TracerTimingEnabled)
  const at = isTimed ? Context.get(fiber.context, Clock.Clock).currentTimeNanosUnsafe() : 0n
  reportRejection(span, at, { reason, waiting, size })
}

const reportRejection = (span: Tracer.AnySpan, at: bigint, attributes: Record<string, unknown>): void => {
  if (span._tag === "Span") span.event("task_pool.rejected", at, attributes)
}

/** A clock of the wall may be set back, but a time is never negative. */
const seconds = (nanos: bigint): number => (nanos > 0n ? Number(nanos) / 1e9 : 0)

/** Returns a short name of why a task has not succeeded, never its message. */
const errorType = ({ reasons }: Cause.Cause<unknown>): string => {
  const first = reasons.find(Cause.isFailReason) ?? reasons.find(Cause.isDieReason)
  if (first === undefined) return "Interrupted"
  const error: any = Cause.isFailReason(first) ? first.error : first.defect
  if (error instanceof TaskCancelled) return `TaskCancelled.${error.reason}`
  if (typeof error?._tag === "string") return error._tag
  return error instanceof Error ? error.name : typeof error
}
