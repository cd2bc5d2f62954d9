import { env } from "node:process"
import { cyclesLeaveNothing } from "./leakCycles.ts"

cyclesLeaveNothing(Number(env["CYCLES"] ?? 20_000))
