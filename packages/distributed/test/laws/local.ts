/** Registers the laws of distributed pools for local pools over pools of the core. */
import { distributedTaskPoolLaws } from "@aio-task-pool/testing"
import { localOf } from "./pools.ts"

const disciplines = {
  fixedSimple: "fifo",
  fixedLifo: "lifo",
  fixedPriority: "priority",
  autoScaleSimple: "fifo",
  autoScaleLifo: "lifo",
  autoScalePriority: "priority"
} as const satisfies Record<keyof typeof localOf, string>

export const localPools = Object.keys(disciplines) as ReadonlyArray<keyof typeof localOf>

/** Registers the laws of local pools over some of the pools. */
export const localLaws = (...pools: ReadonlyArray<keyof typeof localOf>): void => {
  for (const pool of pools) {
    distributedTaskPoolLaws(`layerLocal over ${pool}`, localOf[pool], { discipline: disciplines[pool] })
  }
}
