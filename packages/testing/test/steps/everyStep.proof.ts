import { everyOperation } from "./everyStep.ts"

everyOperation({ budgets: [3, 4, 7], paddings: [0, 1, 3], sparse: 11, least: 60_000 })
