import { describe } from "@effect/vitest"
import { scenarioOfOpening, scenariosAlone, scenariosOfClosing, stepTests } from "./steps.ts"

describe("at every step of a local pool", () => stepTests({ budgets: [16], paddings: [0], offsets: [-1, 0, 1] }))

describe("at every operation of a local pool", () => stepTests({ budgets: [4] }, scenariosAlone))

describe("at every step of a local pool that closes", () => stepTests({ budgets: [11] }, scenariosOfClosing))

describe("at every operation of a local pool that opens", () => stepTests({ budgets: [4] }, [scenarioOfOpening]))
