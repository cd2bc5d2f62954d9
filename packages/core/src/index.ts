/**
 * Task pools for Effect.
 *
 * @since 0.1.0
 */
export * from "./Executor.ts"
export * from "./ExecutorError.ts"
export * from "./Job.ts"
export * from "./TaskHandle.ts"
export * from "./TaskPool.ts"
export * from "./TaskPoolError.ts"
