/** The laws over local pools: one of each discipline and of each family here, all six in `local.proof.ts`. */
import { localLaws } from "./local.ts"

localLaws("fixedSimple", "fixedLifo", "autoScalePriority")
