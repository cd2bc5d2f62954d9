import { describe } from "@effect/vitest"
import { longRun } from "./longRun.ts"
import { disciplines } from "./models.ts"

describe.each(disciplines)("$name", (discipline) => longRun(discipline, 40_000))
