import { describe } from "@effect/vitest"
import { stepTests } from "./steps.ts"

describe("at every step of a local pool", () => stepTests({ budgets: [16], paddings: [0], offsets: [-1, 0, 1] }))
