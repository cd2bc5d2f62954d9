/**
 * Distributed pools on BullMQ, over Redis or Valkey.
 *
 * @since 0.1.0
 */
export * as AioDistributedAutoScaleTaskPoolLifo from "./AioDistributedAutoScaleTaskPoolLifo.ts"
export * as AioDistributedAutoScaleTaskPoolPriority from "./AioDistributedAutoScaleTaskPoolPriority.ts"
export * as AioDistributedAutoScaleTaskPoolSimple from "./AioDistributedAutoScaleTaskPoolSimple.ts"
export * as AioDistributedFixedTaskPoolLifo from "./AioDistributedFixedTaskPoolLifo.ts"
export * as AioDistributedFixedTaskPoolPriority from "./AioDistributedFixedTaskPoolPriority.ts"
export * as AioDistributedFixedTaskPoolSimple from "./AioDistributedFixedTaskPoolSimple.ts"
export * from "./BullMq.ts"
export type {
  BullMqAutoScalePoolOptions,
  BullMqFixedPoolOptions,
  BullMqPoolOptions,
  BullMqRate
} from "./internal/constructors.ts"
