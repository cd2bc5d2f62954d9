/**
 * Task pools for Effect: limit how many tasks run at once, choose which waiting task is next, and resize a running
 * pool.
 *
 * @since 0.1.0
 */
export * as AioAutoScaleTaskPoolLifo from "./AioAutoScaleTaskPoolLifo.ts"
export * as AioAutoScaleTaskPoolPriority from "./AioAutoScaleTaskPoolPriority.ts"
export * as AioAutoScaleTaskPoolSimple from "./AioAutoScaleTaskPoolSimple.ts"
export * as AioFixedTaskPoolLifo from "./AioFixedTaskPoolLifo.ts"
export * as AioFixedTaskPoolPriority from "./AioFixedTaskPoolPriority.ts"
export * as AioFixedTaskPoolSimple from "./AioFixedTaskPoolSimple.ts"
export * as AutoScalePolicy from "./AutoScalePolicy.ts"
export * from "./Executor.ts"
export * from "./ExecutorError.ts"
export * from "./ItemCounter.ts"
export * from "./Job.ts"
export * from "./PoolRegistry.ts"
export * from "./PoolTiming.ts"
export * from "./PromisePool.ts"
export * from "./TaskHandle.ts"
export * from "./TaskPool.ts"
export * from "./TaskPoolError.ts"
export * as TaskPoolMetrics from "./TaskPoolMetrics.ts"
