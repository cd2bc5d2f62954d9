/**
 * Task pools for Effect.
 *
 * @since 0.1.0
 */
export * from "./TaskHandle.ts"
export * from "./TaskPool.ts"
export * from "./TaskPoolError.ts"
