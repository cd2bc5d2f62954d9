import { it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import { type Discipline, Pair } from "./models.ts"

/** Registers a run of this number of random operations on a backlog and its model. */
export const longRun = (discipline: Discipline, count: number): void =>
  it.effect(`100 weights and up to 300 waiting entries agree with a sorted array over ${count} operations (I4)`, () =>
    Effect.gen(function* () {
      const random = yield* Random.Random
      const below = (limit: number) => Math.floor(random.nextDoubleUnsafe() * limit)
      const pair = new Pair(discipline)
      for (let i = 0; i < count; i++) {
        const growing = pair.waiting.length < 50 || (pair.waiting.length < 300 && i % 2000 < 1000)
        const dice = below(20)
        if (dice < (growing ? 12 : 4)) pair.push(below(100) - 50, undefined)
        else if (dice < 14) pair.pop()
        else if (dice < 16) pair.remove(below(1000))
        else if (dice < 17) pair.pushWithPlace(below(100) - 50, undefined, dice % 2 === 0)
        else if (dice < 18) pair.comeBack(below(1000))
        else if (i > count / 2 && dice < 19) pair.checkVictim(below(100) - 50, undefined)
        else pair.reweigh(below(1000), below(100) - 50)
        if (i % 500 === 0) pair.checkAll()
        if (dice === 0) pair.time += below(100)
      }
      pair.drain()
    }).pipe(Random.withSeed("backlog"))
  )
