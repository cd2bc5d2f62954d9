/**
 * The contract of an executor as laws: test suites that are functions of a layer.
 *
 * @since 0.1.0
 */
import type { Executor } from "@aio-task-pool/core"
import { describe } from "@effect/vitest"
import type * as Layer from "effect/Layer"
import { executingLaws } from "./laws/executing.ts"
import { lawTimeout } from "./laws/kit.ts"
import { threadingLaws, type ThreadOptions } from "./laws/threading.ts"

/**
 * The executor that a law needs: the number of threads and of spare ones, and a limit for each thread's heap.
 *
 * @category options
 * @since 0.1.0
 */
export interface ExecutorLawOptions extends ThreadOptions {}

/**
 * Registers the laws of every executor, wherever it runs its jobs: results, copies and transfers, typed errors, `map`,
 * statistics and spans.
 *
 * **Example** (Holding an executor to the laws)
 *
 * ```ts tests
 * import { Executor } from "@aio-task-pool/core"
 * import { executorLaws } from "@aio-task-pool/testing"
 *
 * executorLaws("layerInline", Executor.layerInline)
 * ```
 *
 * @category laws
 * @since 0.1.0
 */
export const executorLaws = (name: string, layer: Layer.Layer<Executor>): void => {
  describe(`an executor ${name}`, { timeout: lawTimeout }, () => executingLaws(layer))
}

/**
 * Registers the laws of executors that run jobs on threads: crashes, cancelling, closing, and their effect on other
 * jobs.
 *
 * @category laws
 * @since 0.1.0
 */
export const threadedExecutorLaws = (
  name: string,
  layerOf: (options: ExecutorLawOptions) => Layer.Layer<Executor>
): void => {
  describe(`threads of an executor ${name}`, { timeout: lawTimeout }, () => threadingLaws(layerOf))
}
