import { env } from "node:process"
import { closedPoolsLeaveNothing, cyclesLeaveNothing } from "./leakCycles.ts"

cyclesLeaveNothing(Number(env["CYCLES"] ?? 20_000))
closedPoolsLeaveNothing(50_000)
