import { env } from "node:process"
import { everyOperation } from "./everyStep.ts"

everyOperation({ budgets: [3, 4, 7], paddings: [0, 1, 3], sparse: Number(env["PARTS"] ?? 29), least: 60_000 })
