import { localLaws, localPools } from "./local.ts"

localLaws(...localPools)
