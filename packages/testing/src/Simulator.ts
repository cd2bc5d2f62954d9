/**
 * Simulates policies against server models, without a clock, and compares them with an oracle.
 *
 * **Example** (Testing a policy with a model of a server)
 *
 * ```ts
 * import { AutoScalePolicy } from "@aio-task-pool/core"
 * import { backlog, sharing, simulate } from "@aio-task-pool/testing/Simulator"
 *
 * const result = simulate({
 *   policy: AutoScalePolicy.adaptive(),
 *   server: sharing({ capacity: 12, limit: 24, base: 80 }),
 *   load: backlog,
 *   seed: 1,
 *   duration: 30_000
 * })
 * result.goodput / result.oracle > 0.9 // => true
 * result.overloadRate < 0.01 // => true
 * ```
 *
 * @since 0.1.0
 */
export * from "./simulator/families.ts"
export * from "./simulator/judge.ts"
export * from "./simulator/references.ts"
export * from "./simulator/scenarios.ts"
export * from "./simulator/ServerModel.ts"
export * from "./simulator/simulate.ts"
export * from "./simulator/survey.ts"
