import { soakPools } from "./soak.ts"

soakPools(20_000)
