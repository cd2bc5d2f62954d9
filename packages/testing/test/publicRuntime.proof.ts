// The other laws of `publicRuntime.test.ts`.
import { assert, it } from "@effect/vitest"
import { vi } from "vitest"
import { disciplineLaws, priorityOrder, taskPoolLaws } from "../src/index.ts"
import { layerOf } from "./laws/pools.ts"

const { unknown } = vi.hoisted(() => ({ unknown: { asked: 0 } }))

vi.mock("../../core/src/internal/runtime/probe.ts", async (original) => ({
  ...(await original<object>()),
  get hasKnownRuntime() {
    unknown.asked++
    return false
  }
}))

it("the runtime is not known here", () => assert.isAbove(unknown.asked, 0))

taskPoolLaws("AioAutoScaleTaskPoolPriority by public functions", layerOf.autoScalePriority)
disciplineLaws("AioAutoScaleTaskPoolPriority by public functions", layerOf.autoScalePriority, priorityOrder)
