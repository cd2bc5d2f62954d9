import { everyOperation } from "./everyStep.ts"

everyOperation({ budgets: [3], paddings: [0], sparse: 1000, least: 2_000 })
