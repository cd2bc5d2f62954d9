/** The span of a bulk, `task_pool.for_each`, and the traces of its items. */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type { Exit } from "effect/Exit"
import type { Fiber } from "effect/Fiber"
import * as References from "effect/References"
import type { Scope } from "effect/Scope"
import * as Tracer from "effect/Tracer"
import type { Machine } from "../pool/machine.ts"
import { recordedParent, type Trace, traceUnder } from "../pool/span.ts"

/** The spans of one bulk. */
export interface BulkSpan {
  /** The trace of its items, of which each takes its `next`; `undefined` if items have no spans. */
  readonly items: Trace | undefined
  /** Reports a rejection on the caller's span. */
  readonly rejected: Trace
  /** Notes the number of items, when it becomes known. */
  readonly counted: (items: number) => void
}

/**
 * Runs a bulk in a span, if its caller has a recorded one. `items` returns their number when the bulk begins, if it is
 * known before they are pulled. It may run user code.
 */
export const withBulkSpan = <A, E, R>(
  machine: Machine,
  spans: "each" | undefined,
  items: () => number | undefined,
  run: (span: BulkSpan | undefined) => Effect.Effect<A, E, R>
): Effect.Effect<A, E, R> =>
  Effect.withFiber((fiber) => {
    const caller = callerOf(machine, fiber)
    if (caller === undefined) return run(undefined)
    return Effect.acquireUseRelease(
      beginSpan(machine, attributesOf(machine, items())),
      (span) =>
        span === undefined
          ? run(undefined)
          : Effect.provideService(run(bulkSpan(machine, fiber, caller, span, spans)), Tracer.ParentSpan, span),
      (span, exit) => endSpan(machine, fiber.context, span, exit)
    )
  })

/** Like `withBulkSpan`, for a bulk that lasts until its scope closes. Also returns the span that its tasks run in. */
export const bulkSpanScoped = (
  machine: Machine,
  spans: "each" | undefined
): Effect.Effect<{ readonly span: BulkSpan; readonly parent: Tracer.Span } | undefined, never, Scope> =>
  Effect.withFiber((fiber) => {
    const caller = callerOf(machine, fiber)
    if (caller === undefined) return Effect.undefined
    const begun = Effect.acquireRelease(beginSpan(machine, attributesOf(machine, undefined)), (span, exit) =>
      endSpan(machine, fiber.context, span, exit)
    )
    return Effect.map(begun, (parent) =>
      parent === undefined ? undefined : { span: bulkSpan(machine, fiber, caller, parent, spans), parent }
    )
  })

/** Begins the span of a bulk; `undefined` if the tracer, which is user code, throws. */
const beginSpan = (
  machine: Machine,
  attributes: Readonly<Record<string, unknown>>
): Effect.Effect<Tracer.Span | undefined> =>
  Effect.makeSpan(name).pipe(
    Effect.tap((span) =>
      Effect.sync(() => {
        if (typeof span?.sampled !== "boolean") throw new TypeError("the tracer returned no span")
        // An attribute that is missing costs the bulk less than its span.
        for (const key in attributes) machine.userCode.guard(() => span.attribute(key, attributes[key]), undefined)
      })
    ),
    Effect.catchDefect((defect) =>
      Effect.sync(() => {
        machine.userCode.onDefect(defect, "the tracer threw, and a bulk has no span")
        return undefined
      })
    )
  )

const endSpan = (
  machine: Machine,
  context: Context.Context<never>,
  span: Tracer.Span | undefined,
  exit: Exit<unknown, unknown>
): Effect.Effect<void> =>
  Effect.sync(() => {
    const end = (): void => {
      if (span === undefined || span.status._tag === "Ended") return
      const hasTimes = Context.get(context, References.TracerTimingEnabled)
      span.end(hasTimes ? Context.get(context, Clock.Clock).currentTimeNanosUnsafe() : 0n, exit)
    }
    machine.userCode.guard(end, undefined)
  })

const name = "task_pool.for_each"

const callerOf = (machine: Machine, fiber: Fiber<unknown, unknown>): Tracer.AnySpan | undefined =>
  machine.traces && fiber.cache.span !== undefined ? recordedParent(fiber) : undefined

const attributesOf = (machine: Machine, items: number | undefined): Record<string, unknown> => ({
  "task_pool.name": machine.name,
  ...(items !== undefined && { "task_pool.items": items })
})

const bulkSpan = (
  machine: Machine,
  fiber: Fiber<unknown, unknown>,
  caller: Tracer.AnySpan,
  span: Tracer.Span,
  spans: "each" | undefined
): BulkSpan => ({
  items: spans === "each" && span.sampled ? traceUnder(machine, span, fiber, caller) : undefined,
  rejected: traceUnder(machine, caller, fiber),
  counted: (items) => machine.userCode.guard(() => span.attribute("task_pool.items", items), undefined)
})
