/**
 * The contract of a task pool as laws: test suites that are functions of a layer, so that every pool passes the same
 * ones.
 *
 * The laws use vitest (through `@effect/vitest`) and run under its `TestClock`. The name of a law is a sentence. A
 * number in it, such as I1, is the invariant that it tests.
 *
 * @since 0.1.0
 */
import { describe } from "@effect/vitest"
import { admittingLaws } from "./laws/admitting.ts"
import { ageingLaws } from "./laws/ageing.ts"
import { blockingLaws } from "./laws/blocking.ts"
import { sizingLaws, type AutoScaleLawOptions as SizingOptions } from "./laws/autoScaling.ts"
import { clearingLaws } from "./laws/clearing.ts"
import { closingLaws } from "./laws/closing.ts"
import { contextLaws } from "./laws/context.ts"
import { drainingLaws } from "./laws/draining.ts"
import { eventLaws } from "./laws/events.ts"
import { expiringLaws } from "./laws/expiring.ts"
import { handlingLaws } from "./laws/handling.ts"
import { holdingLaws } from "./laws/holding.ts"
import { hostileLaws, hostileSizingLaws } from "./laws/hostile.ts"
import { inspectingLaws } from "./laws/inspecting.ts"
import { keyLaws, keyOrderLaws } from "./laws/keys.ts"
import {
  Laws,
  withOptionalBounds,
  type LawOptions as PoolLawOptions,
  type LayerOf as LayerOfOptions
} from "./laws/kit.ts"
import { limitingLaws } from "./laws/limiting.ts"
import { measuringLaws } from "./laws/measuring.ts"
import { lookingLaws } from "./laws/looking.ts"
import { nestingLaws } from "./laws/nesting.ts"
import { orderLaws, type WaitingOrder, type WaitingTask as Waiting } from "./laws/ordering.ts"
import { overflowLaws } from "./laws/overflowing.ts"
import { pausingLaws } from "./laws/pausing.ts"
import { peerLaws } from "./laws/peers.ts"
import { rateLaws } from "./laws/rates.ts"
import { permitLaws, permitOrderLaws } from "./laws/permits.ts"
import { refusingLaws } from "./laws/refusing.ts"
import { resizingLaws } from "./laws/resizing.ts"
import { retryLaws } from "./laws/retrying.ts"
import { streamingLaws } from "./laws/streaming.ts"
import { submittingLaws } from "./laws/submitting.ts"
import { tracingLaws } from "./laws/tracing.ts"

/**
 * The pool that a law needs: a pool of `size` workers with these options. A pool with bounds must allow sizes from
 * `minSize` to `maxSize`, both `size` by default, and must not resize itself while the clock stands still. A pool that does
 * not know these options (`TypeError`) is made again without them.
 *
 * @category options
 * @since 0.1.0
 */
export interface LawOptions extends PoolLawOptions {}

/**
 * Returns the layer of the pool under test, for the options of each law.
 *
 * @category models
 * @since 0.1.0
 */
export type LayerOf<Options> = LayerOfOptions<Options>

/**
 * Options of `taskPoolLaws`.
 *
 * @category options
 * @since 0.1.0
 */
export interface TaskPoolLawsOptions {
  /** The capacities to run the laws with, default unbounded (`undefined`), 1 and 0. */
  readonly capacities?: ReadonlyArray<number | undefined> | undefined
  /** Whether the pool has the option `ageing`, as priority pools do, default `false`. */
  readonly ageing?: boolean | undefined
}

/**
 * Registers the laws of every pool, whatever its discipline and sizing, with every capacity.
 *
 * **Details**
 *
 * The laws cover results, the limit, nested tasks, permits, keys, rates, deadlines, retries, the door, overflow, pausing,
 * holding, resizing, closing, handles, context, events, jobs and bulk work, ageing on pools that have it,
 * inspection, the registry, warnings, the
 * guarantees of other pool libraries, and the isolation of calls from hostile user code of other calls.
 *
 * **Example** (Holding a pool to the laws)
 *
 * ```ts proof
 * import { AioFixedTaskPoolSimple } from "@aio-task-pool/core"
 * import { type LawOptions, taskPoolLaws } from "@aio-task-pool/testing"
 *
 * const layerOf = ({ size, ...options }: LawOptions) => AioFixedTaskPoolSimple.layer(size, options)
 *
 * taskPoolLaws("a pool with two places", layerOf, { capacities: [2] })
 * ```
 *
 * @category laws
 * @since 0.1.0
 */
export const taskPoolLaws = (name: string, layerOf: LayerOf<LawOptions>, options?: TaskPoolLawsOptions): void => {
  describe(`${name}, made with wrong options`, () => refusingLaws(layerOf))
  const poolOf = withOptionalBounds(layerOf)
  const agedPools = options?.ageing === true ? [poolOf] : []
  for (const aged of agedPools) describe(`${name}, ageing`, () => ageingLaws(aged))
  describe(`${name}, measured`, () => measuringLaws(new Laws(poolOf, undefined)))
  for (const capacity of options?.capacities ?? [undefined, 1, 0]) {
    const laws = new Laws(poolOf, capacity)
    describe(`${name}, capacity ${capacity ?? "unbounded"}`, () => {
      describe("submitting", () => submittingLaws(laws))
      describe("limiting", () => limitingLaws(laws))
      describe("nesting", () => nestingLaws(laws))
      describe("permits", () => permitLaws(laws))
      describe("keys", () => keyLaws(laws))
      describe("admitting", () => admittingLaws(laws))
      describe("pausing", () => pausingLaws(laws))
      describe("holding", () => holdingLaws(laws))
      describe("resizing", () => resizingLaws(laws))
      describe("closing", () => closingLaws(laws))
      describe("handles", () => handlingLaws(laws))
      describe("context", () => contextLaws(laws))
      describe("events", () => eventLaws(laws))
      describe("blocking work", () => blockingLaws(laws))
      describe("streaming", () => streamingLaws(laws))
      describe("peers", () => peerLaws(laws))
      describe("rates", () => rateLaws(laws))
      describe("expiring", () => expiringLaws(laws))
      describe("overflowing", () => overflowLaws(laws))
      describe("clearing", () => clearingLaws(laws))
      describe("retrying", () => retryLaws(laws))
      describe("draining", () => drainingLaws(laws))
      describe("looking", () => lookingLaws(laws))
      describe("inspecting", () => inspectingLaws(laws))
      describe("tracing", () => tracingLaws(laws))
      describe("hostile code", () => hostileLaws(name, laws))
    })
  }
}

/**
 * A waiting task as a `DispatchOrder` sees it. `turn` counts admissions, and `weightSince` is the moment at which the
 * task received its weight.
 *
 * @category models
 * @since 0.1.0
 */
export interface WaitingTask extends Waiting {}

/**
 * The order of a discipline, as a comparison of two waiting tasks. The lesser one is dispatched first.
 *
 * @category models
 * @since 0.1.0
 */
export type DispatchOrder = WaitingOrder

/**
 * First in, first out.
 *
 * @category orders
 * @since 0.1.0
 */
export const fifoOrder: DispatchOrder = (a, b) => a.turn - b.turn

/**
 * Last in, first out.
 *
 * @category orders
 * @since 0.1.0
 */
export const lifoOrder: DispatchOrder = (a, b) => b.turn - a.turn

/**
 * Smallest weight first, equal weights first in, first out.
 *
 * @category orders
 * @since 0.1.0
 */
export const priorityOrder: DispatchOrder = (a, b) =>
  a.weight === b.weight ? a.weightSince - b.weightSince : a.weight < b.weight ? -1 : 1

/**
 * Registers the laws of a discipline, which compare the order of dispatch with a sorted list.
 *
 * **Example** (Holding a pool to an order)
 *
 * ```ts tests
 * import { AioFixedTaskPoolLifo } from "@aio-task-pool/core"
 * import { disciplineLaws, type LawOptions, lifoOrder } from "@aio-task-pool/testing"
 *
 * const layerOf = ({ size, ...options }: LawOptions) => AioFixedTaskPoolLifo.layer(size, options)
 *
 * disciplineLaws("AioFixedTaskPoolLifo", layerOf, lifoOrder)
 * ```
 *
 * @category laws
 * @since 0.1.0
 */
export const disciplineLaws = (name: string, layerOf: LayerOf<LawOptions>, order: DispatchOrder): void => {
  const poolOf = withOptionalBounds(layerOf)
  orderLaws(name, poolOf, order)
  describe(`${name}: permits in order`, () => permitOrderLaws(poolOf, order))
  describe(`${name}: keys in order`, () => keyOrderLaws(poolOf, order))
}

/**
 * The auto-scale pool that a law needs. `interval` is in milliseconds.
 *
 * @category options
 * @since 0.1.0
 */
export interface AutoScaleLawOptions extends SizingOptions {}

/**
 * Registers the laws of an auto-scale pool: it follows bursts within one interval, shrinks again, and stays within
 * bounds.
 *
 * **Example** (Holding an auto-scale pool to its load)
 *
 * ```ts tests
 * import { AioAutoScaleTaskPoolSimple } from "@aio-task-pool/core"
 * import { autoScaleLaws } from "@aio-task-pool/testing"
 *
 * autoScaleLaws("AioAutoScaleTaskPoolSimple", (options) => AioAutoScaleTaskPoolSimple.layer(options))
 * ```
 *
 * @category laws
 * @since 0.1.0
 */
export const autoScaleLaws = (name: string, layerOf: LayerOf<AutoScaleLawOptions>): void => {
  sizingLaws(name, layerOf)
  describe(`${name}: hostile code`, () => hostileSizingLaws(name, layerOf))
}
