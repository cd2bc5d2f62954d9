import { everyOperation } from "./everyStep.ts"

everyOperation({ budgets: [5], paddings: [0], sparse: 1000, least: 2_000 })
