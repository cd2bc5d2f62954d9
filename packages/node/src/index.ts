/**
 * Task pools for Effect, on Node: the worker-thread executor.
 *
 * @since 0.1.0
 */
export * as NodeExecutor from "./NodeExecutor.ts"
export * as Progress from "./Progress.ts"
