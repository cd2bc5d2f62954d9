/**
 * Why a task was not admitted, or cancelled.
 *
 * @since 0.1.0
 */

/**
 * Why a task never started: the pool did not admit it, or it waited too long.
 *
 * - `"Paused"`: the pool is paused.
 * - `"Closed"`: the pool is closing or closed.
 * - `"QueueFull"`: as many tasks wait as `capacity` allows, and the caller does not wait at the door.
 * - `"TooLarge"`: the task takes more workers, or costs more, than the pool ever allows.
 * - `"WaitedTooLong"`: the task did not start within its `maxWait`. It may have been in the queue.
 * - `"Nested"`: a task of the pool would wait for its own pool, and the pool's option `nested` is `"fail"`.
 *
 * @category models
 * @since 0.1.0
 */
export type NotAvailableReason = "Paused" | "Closed" | "QueueFull" | "TooLarge" | "WaitedTooLong" | "Nested"

/**
 * Why an admitted task was cancelled.
 *
 * - `"ScaledDown"`: a hard `scale` or `resize` removed its worker.
 * - `"Closed"`: the pool closed before the task had ended.
 * - `"Cancelled"`: `cancel` was called on its handle.
 * - `"Cleared"`: `clear` was called on the pool.
 * - `"Dropped"`: a new task took its place in the full queue.
 *
 * @category models
 * @since 0.1.0
 */
export type TaskCancelledReason = "ScaledDown" | "Closed" | "Cancelled" | "Cleared" | "Dropped"
