import { everyOperation } from "./everyStep.ts"

everyOperation({ budgets: [3], paddings: [0], sparse: 200, least: 2_000 })
