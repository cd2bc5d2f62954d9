/**
 * Laws for every task pool, and the step scheduler that runs every interleaving.
 *
 * @since 0.1.0
 */
export * from "./DistributedTaskPoolLaws.ts"
export * from "./EveryStep.ts"
export * as Simulator from "./Simulator.ts"
export { simulate } from "./simulator/simulate.ts"
export * from "./ExecutorLaws.ts"
export * from "./RandomPrograms.ts"
export * from "./StepClock.ts"
export * from "./StepScheduler.ts"
export * from "./TaskPoolLaws.ts"
export * from "./TaskPoolScenarios.ts"
