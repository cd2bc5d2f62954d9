import { env } from "node:process"
import { anyTwoOptions } from "./covering.ts"

// SEED repeats a run whose seed was printed.
anyTwoOptions(Number(env["LOADS"] ?? 100), Number(env["SEED"] ?? Math.floor(Math.random() * 2 ** 30)))
