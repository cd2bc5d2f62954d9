import { it } from "@effect/vitest"
import { fuzz, seed } from "./fuzz.ts"

for (const threads of [1, 2, 8]) {
  it.live(`7000 random calls on ${threads} threads each settle once, and none runs twice (FUZZ_SEED=${seed})`, () =>
    fuzz(7000, threads)
  )
}
