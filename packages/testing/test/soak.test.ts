import { soakPools } from "./soak.ts"

soakPools(8_000)
