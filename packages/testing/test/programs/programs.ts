import { it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { env } from "node:process"
import {
  type ProgramFailure,
  type ProgramReport,
  type RandomProgramsOptions,
  randomPrograms,
  sequentialPrograms
} from "../../src/index.ts"
import { pools } from "./pools.ts"

const seed = Number(env["SEED"] ?? Math.floor(Math.random() * 2 ** 31))

/** Registers both kinds of programs; PROGRAMS=1000000 tries a million of each, SEED=... gives a printed run again. */
export const programs = (count: number): void => {
  const number = Number(env["PROGRAMS"] ?? count)
  const law = (
    sentence: string,
    run: (options: RandomProgramsOptions) => Effect.Effect<ProgramReport, ProgramFailure>
  ) =>
    it.effect(
      sentence,
      () =>
        Effect.gen(function* () {
          const report = yield* run({ seed, programs: number })
          const { distinct, programs, steps } = report
          console.log(`${programs} programs, ${steps} steps, ${distinct} distinct interleavings, SEED=${seed}`)
        }),
      600_000 + 60 * number
    )

  law("programs of many fibers keep the invariants on every pool (I1 to I9)", (options) =>
    randomPrograms(pools, options)
  )
  law("programs of one event after the other do as a naive model says (I2, I3, I4, I9)", (options) =>
    sequentialPrograms(pools, options)
  )
}
