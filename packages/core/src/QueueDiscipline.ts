/**
 * The order in which waiting tasks are dispatched.
 *
 * @since 0.1.0
 */
import { type Backlog, FifoBacklog, LifoBacklog, PriorityBacklog, type Weighted } from "./internal/backlog.ts"

/**
 * An order of dispatch.
 *
 * @category models
 * @since 0.1.0
 */
export interface QueueDiscipline {
  readonly name: "fifo" | "lifo" | "priority"
  /** @internal */
  readonly backlog: <T extends Weighted<T>>() => Backlog<T>
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
export const priority: QueueDiscipline = { name: "priority", backlog: () => new PriorityBacklog() }
