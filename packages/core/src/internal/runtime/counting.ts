/** The counter of the items of the operations that a fiber runs. */
import * as Context from "effect/Context"
import type { Exit } from "effect/Exit"

/** What an operation tells about its items. */
export interface Counter {
  readonly begin: (total: number | undefined) => void
  readonly ended: (exit: Exit<any, any>) => void
}

export const CurrentCounter = Context.Reference<Counter | undefined>("@aio-task-pool/core/ItemCounter", {
  defaultValue: () => undefined
})

/** How many effects are counted now. While it is 0, a submission does not look for a counter. */
export const counting = { live: 0 }

/** Returns a context whose operations are not counted. */
export const uncounted = (context: Context.Context<never>): Context.Context<never> =>
  Context.add(context, CurrentCounter, undefined)
