/**
 * The contract of a distributed pool as laws: a test suite that is a function of a layer, so that every engine passes
 * the same one.
 *
 * The laws run in real time, because a broker does. No law depends on how fast the machine is.
 *
 * @since 0.1.0
 */
import type { DistributedTaskPool } from "@aio-task-pool/distributed"
import { describe } from "@effect/vitest"
import type * as Layer from "effect/Layer"
import { argumentLaws } from "./laws/distributed/arguments.ts"
import { controlLaws } from "./laws/distributed/controlling.ts"
import { forEachLaws } from "./laws/distributed/forEach.ts"
import { handleLaws } from "./laws/distributed/handling.ts"
import { hostileLaws } from "./laws/distributed/hostile.ts"
import { identityLaws } from "./laws/distributed/identity.ts"
import { DistributedLaws, type DistributedLawOptions as PoolLawOptions } from "./laws/distributed/kit.ts"
import { limitingLaws } from "./laws/distributed/limiting.ts"
import { observingLaws } from "./laws/distributed/observing.ts"
import { orderingLaws } from "./laws/distributed/ordering.ts"
import { retryingLaws } from "./laws/distributed/retrying.ts"
import { sharedLaws } from "./laws/distributed/sharing.ts"
import { submittingLaws } from "./laws/distributed/submitting.ts"
import { workerLaws } from "./laws/distributed/working.ts"

/**
 * The pool that a law needs.
 *
 * @category options
 * @since 0.1.0
 */
export interface DistributedLawOptions extends PoolLawOptions {}

/**
 * What a kind of distributed pool promises.
 *
 * @category options
 * @since 0.1.0
 */
export interface DistributedFeatures {
  /** The order in which waiting tasks start. */
  readonly discipline: "fifo" | "lifo" | "priority"
  /**
   * Whether two layers of one name are one pool, as with a broker, default `false`.
   *
   * Then tasks also outlive the layer that submitted them.
   */
  readonly shared?: boolean | undefined
}

/**
 * Registers the laws of every distributed pool.
 *
 * **Details**
 *
 * The layer provides `DistributedTaskPool`. Each law takes a name that no other one has.
 *
 * **Example** (Holding a local pool to the laws)
 *
 * ```ts tests
 * import { AioFixedTaskPoolSimple } from "@aio-task-pool/core"
 * import { DistributedTaskPool } from "@aio-task-pool/distributed"
 * import { type DistributedLawOptions, distributedTaskPoolLaws } from "@aio-task-pool/testing"
 *
 * const layerOf = ({ rate, size, ...options }: DistributedLawOptions) =>
 *   DistributedTaskPool.layerLocal(AioFixedTaskPoolSimple.layer(size, { rate }), options)
 *
 * distributedTaskPoolLaws("a local pool", layerOf, { discipline: "fifo" })
 * ```
 *
 * @category laws
 * @since 0.1.0
 */
export const distributedTaskPoolLaws = (
  name: string,
  layerOf: (options: DistributedLawOptions) => Layer.Layer<DistributedTaskPool, unknown>,
  { discipline, shared = false }: DistributedFeatures
): void => {
  const laws = new DistributedLaws(layerOf, shared)
  // Laws wait most of the time, and each has a pool of its own.
  describe.concurrent(`${name}, distributed`, () => {
    describe("submitting", () => submittingLaws(laws))
    describe("limiting", () => limitingLaws(laws))
    describe("order", () => orderingLaws(laws, discipline))
    describe("handles", () => handleLaws(laws, discipline))
    describe("IDs", () => identityLaws(laws))
    describe("delays, attempts and timeouts", () => retryingLaws(laws))
    describe("control", () => controlLaws(laws))
    describe("forEach", () => forEachLaws(laws))
    describe("workers", () => workerLaws(laws))
    describe("hostile code", () => hostileLaws(laws))
    describe("observers", () => observingLaws(laws))
    describe("wrong arguments", () => argumentLaws(laws))
    for (const shared of laws.shared ? [laws] : []) describe("shared by several layers", () => sharedLaws(shared))
  })
}
