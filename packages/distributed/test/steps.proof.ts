import { describe } from "@effect/vitest"
import { scenarioOfOpening, scenariosAlone, scenariosOfClosing, stepTests } from "./steps.ts"

describe("at every step of a local pool", () => stepTests({ budgets: [11, 16], paddings: [0, 1] }))

describe("at every operation of a local pool", () => {
  const options = { budgets: [3, 7], paddings: [0, 1] }
  stepTests(options, scenariosAlone)
  stepTests(options, scenariosOfClosing)
  stepTests(options, [scenarioOfOpening])
})
