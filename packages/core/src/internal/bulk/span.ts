/** The span of a bulk, `task_pool.for_each`, and the traces of its items. */
import * as Effect from "effect/Effect"
import type { Fiber } from "effect/Fiber"
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
    return Effect.useSpan(name, { attributes: attributesOf(machine, items()) }, (span) =>
      Effect.provideService(run(bulkSpan(machine, fiber, caller, span, spans)), Tracer.ParentSpan, span)
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
    return Effect.map(Effect.makeSpanScoped(name, { attributes: attributesOf(machine, undefined) }), (parent) => ({
      span: bulkSpan(machine, fiber, caller, parent, spans),
      parent
    }))
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
