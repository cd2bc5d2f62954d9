import { env } from "node:process"
import { fuzz } from "./fuzz.ts"

fuzz(Number(env["JOBS"] ?? 100_000))
