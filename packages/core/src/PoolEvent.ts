/**
 * The events of a pool.
 *
 * @since 0.2.0
 */
import type { AutoScaleEvidence, AutoScaleSample } from "./AutoScalePolicy.ts"
import type { CloseReport, HoldReason } from "./PoolStats.ts"
import type { NotAvailableReason, TaskCancelledReason } from "./TaskPoolError.ts"

/**
 * A change in a pool, as `events` reports it.
 *
 * @category models
 * @since 0.1.0
 */
export type PoolEvent =
  | { readonly _tag: "Scaled"; readonly from: number; readonly to: number; readonly why: string }
  /**
   * A decision on an auto-scale pool's size, even one that keeps it. Follows the `Scaled` event that it caused, if any.
   */
  | {
      readonly _tag: "Decided"
      /** The policy's name. */
      readonly policy: string
      readonly from: number
      readonly to: number
      readonly reason: string
      /** How long dispatch stops, in milliseconds. */
      readonly pause: number
      readonly evidence: AutoScaleEvidence | undefined
      readonly sample: AutoScaleSample
    }
  | { readonly _tag: "Paused" }
  | { readonly _tag: "Resumed" }
  /** The first hold of a reason has begun, and dispatch stops. */
  | { readonly _tag: "Held"; readonly reason: HoldReason }
  /** The last hold of a reason has ended. */
  | { readonly _tag: "Released"; readonly reason: HoldReason }
  | { readonly _tag: "Rejected"; readonly reason: NotAvailableReason }
  | { readonly _tag: "Cancelled"; readonly reason: TaskCancelledReason; readonly started: boolean }
  | { readonly _tag: "Closed"; readonly report: CloseReport }
