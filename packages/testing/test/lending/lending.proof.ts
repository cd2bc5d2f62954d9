import { env } from "node:process"
import { everySmallTask } from "./lending.ts"

// Every task, each in 8 or 9 of the 60 settings. PARTS=1 runs each in all of them.
everySmallTask(1, Number(env["PARTS"] ?? 7))
