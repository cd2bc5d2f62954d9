/**
 * The order in which waiting tasks are dispatched.
 *
 * @since 0.1.0
 */
import { AgeingBacklog } from "./internal/backlog/ageing.ts"
import type { Backlog, BacklogOptions, Weighted } from "./internal/backlog/backlog.ts"
import { FifoBacklog, LifoBacklog } from "./internal/backlog/listBacklog.ts"
import { PriorityBacklog } from "./internal/backlog/priority.ts"

/**
 * An order of dispatch.
 *
 * @category models
 * @since 0.1.0
 */
export interface QueueDiscipline {
  readonly name: "fifo" | "lifo" | "priority"
  /** @internal */
  readonly backlog: <T extends Weighted<T>>(options?: BacklogOptions) => Backlog<T>
}

/**
 * Dispatches first in, first out: the oldest waiting task is next.
 *
 * @category disciplines
 * @since 0.1.0
 */
export const fifo: QueueDiscipline = { name: "fifo", backlog: () => new FifoBacklog() }

/**
 * Dispatches last in, first out: the newest waiting task is next. Under overload the oldest ones starve.
 *
 * @category disciplines
 * @since 0.1.0
 */
export const lifo: QueueDiscipline = { name: "lifo", backlog: () => new LifoBacklog() }

/**
 * Dispatches the smallest weight first, equal weights first in, first out.
 *
 * @category disciplines
 * @since 0.1.0
 */
export const priority: QueueDiscipline = {
  name: "priority",
  backlog: (options) =>
    options?.ageing === undefined ? new PriorityBacklog() : new AgeingBacklog(options.ageing, options.now)
}
