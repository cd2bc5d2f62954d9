/** The contexts of fibers that outlive the effect that starts them. */
import * as Context from "effect/Context"
import { MixedScheduler, Scheduler } from "effect/Scheduler"

/** Replaces the scheduler of `runSync`, which never yields to the event loop. */
export const lasting = (context: Context.Context<never>): Context.Context<never> =>
  Context.get(context, Scheduler).executionMode === "sync"
    ? Context.add(context, Scheduler, new MixedScheduler())
    : context
