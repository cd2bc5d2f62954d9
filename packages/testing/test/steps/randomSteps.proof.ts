import { env } from "node:process"
import { randomInterleavings } from "./randomSteps.ts"

randomInterleavings(Number(env["STEPS"] ?? 60_000))
