import { env } from "node:process"
import { everyOperation } from "./everyStep.ts"

// SPARSE=1 races every pair of operations.
everyOperation({ budgets: [3, 4, 7], paddings: [0, 1, 3], sparse: Number(env["SPARSE"] ?? 4), least: 25_000 })
