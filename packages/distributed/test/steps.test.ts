import { describe } from "@effect/vitest"
import { scenarioOfOpening, scenariosAlone, scenariosOfClosing, stepTests } from "./steps.ts"

describe("at every step of a local pool", () => stepTests({ budgets: [16], paddings: [0], offsets: [-1, 0, 1] }))

describe("at every operation of a local pool", () => stepTests({ budgets: [5] }, scenariosAlone))

describe("at every step of a local pool that closes", () =>
  stepTests({ budgets: [11], paddings: [0, 1, 2], offsets: [-1, 0, 1] }, scenariosOfClosing))

describe("at every operation of a local pool that opens", () =>
  stepTests({ budgets: [7], paddings: [0, 1, 2] }, [scenarioOfOpening]))
