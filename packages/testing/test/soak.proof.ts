import { env } from "node:process"
import { soakPools } from "./soak.ts"

soakPools(Number(env["OPERATIONS"] ?? 400_000))
