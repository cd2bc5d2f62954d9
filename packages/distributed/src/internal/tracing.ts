/** Whether spans reach anybody. Making one costs a tenth of a task, so that an untraced program makes none. */
import * as Context from "effect/Context"
import type { Fiber } from "effect/Fiber"
import * as Tracer from "effect/Tracer"

/** Whether a tracer other than Effect's default is provided. The default one keeps no span. */
export const hasTracer = (context: Context.Context<never>): boolean =>
  Context.get(context, Tracer.Tracer) !== Tracer.nativeTracer

/** Whether a fiber has a tracer, or a span that its tasks belong to. */
export const isTraced = ({ context }: Fiber<any, any>): boolean =>
  hasTracer(context) || context.mapUnsafe.has(Tracer.ParentSpan.key)
