import { assert, it } from "@effect/vitest"
import { disciplineLaws, fifoOrder, taskPoolLaws } from "../../src/index.ts"
import { Recording } from "../recording.ts"
import { layerOf } from "./pools.ts"

const recording = new Recording()

taskPoolLaws("AioFixedTaskPoolSimple", (options) => recording.of(layerOf.fixedSimple(options)), {
  capacities: [undefined]
})
disciplineLaws("AioFixedTaskPoolSimple", layerOf.fixedSimple, fifoOrder)

// An operation that no law uses may do anything. The tests of a file run in order, so the laws have run by now.
it("the laws use every operation of a pool", () => assert.deepStrictEqual(recording.unused, []))
