import { describe } from "@effect/vitest"
import { stepTests } from "./steps.ts"

describe("at every step of a local pool", () => stepTests({ budgets: [11, 16], paddings: [0, 1] }))
