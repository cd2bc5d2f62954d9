/**
 * Task pools across machines for Effect: the contract, and the layer that keeps it in one process.
 *
 * The entry `@aio-task-pool/distributed/bullmq` has the pools on BullMQ and Redis.
 *
 * @since 0.1.0
 */
export * as DistributedTask from "./DistributedTask.ts"
export type { TaskContext, TaskHandler, TaskSchemas } from "./DistributedTask.ts"
export * from "./DistributedTaskHandle.ts"
export * from "./DistributedTaskPool.ts"
export * from "./DistributedTaskPoolError.ts"
