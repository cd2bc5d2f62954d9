/**
 * The events of a pool.
 *
 * @since 0.1.0
 */
import type { PoolDecision } from "./PoolInspection.ts"
import type { CloseReport, HoldReason } from "./PoolStats.ts"
import type { NotAvailableReason, TaskCancelledReason } from "./TaskPoolError.ts"

/**
 * A change in a pool, as `events` reports it.
 *
 * **Details**
 *
 * `at` is the time of the change, in milliseconds since 1970.
 *
 * @category models
 * @since 0.1.0
 */
export type PoolEvent =
  | {
      readonly _tag: "Scaled"
      readonly at: number
      readonly from: number
      readonly to: number
      readonly why: string
    }
  /**
   * A decision on an auto-scale pool's size, even one that keeps it. Follows the `Scaled` event that it caused, if any.
   */
  | ({ readonly _tag: "Decided" } & PoolDecision)
  | { readonly _tag: "Paused"; readonly at: number }
  | { readonly _tag: "Resumed"; readonly at: number }
  /** The first hold of a reason has begun, and dispatch stops. */
  | { readonly _tag: "Held"; readonly at: number; readonly reason: HoldReason }
  /** The last hold of a reason has ended. */
  | { readonly _tag: "Released"; readonly at: number; readonly reason: HoldReason }
  | { readonly _tag: "Rejected"; readonly at: number; readonly reason: NotAvailableReason }
  | {
      readonly _tag: "Cancelled"
      readonly at: number
      readonly reason: TaskCancelledReason
      readonly started: boolean
    }
  | { readonly _tag: "Closed"; readonly at: number; readonly report: CloseReport }
