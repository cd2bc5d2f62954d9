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
  /** The discipline's name. */
  readonly name: "fifo" | "lifo" | "priority"
  /**
   * Makes an empty backlog in this order.
   *
   * @internal
   */
  readonly backlog: <T extends Weighted<T>>(options?: BacklogOptions) => Backlog<T>
}

/**
 * Dispatches tasks first in, first out.
 *
 * @category disciplines
 * @since 0.1.0
 */
export const fifo: QueueDiscipline = { name: "fifo", backlog: () => new FifoBacklog() }

/**
 * Dispatches tasks last in, first out.
 *
 * **Gotchas**
 *
 * Under overload the oldest tasks starve.
 *
 * @category disciplines
 * @since 0.1.0
 */
export const lifo: QueueDiscipline = { name: "lifo", backlog: () => new LifoBacklog() }

/**
 * Dispatches tasks of the smallest weight first, equal weights first in, first out.
 *
 * @category disciplines
 * @since 0.1.0
 */
export const priority: QueueDiscipline = {
  name: "priority",
  backlog: (options) =>
    options?.ageing === undefined ? new PriorityBacklog() : new AgeingBacklog(options.ageing, options.now)
}
