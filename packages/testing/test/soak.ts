import { type PoolStats, TaskPool, type TaskHandle, type TaskPoolService } from "@aio-task-pool/core"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Random from "effect/Random"
import { env } from "node:process"
import { type LawOptions, type LayerOf, StepScheduler } from "../src/index.ts"
import { ruleBrokenBy } from "../src/internal/rules.ts"
import { layerOf } from "./laws/pools.ts"

// SEED repeats a soak whose seed was printed.
const seed = Number(env["SEED"] ?? Math.floor(Math.random() * 2 ** 31))

interface Soaked {
  begun: number
  ended: number
  results: number
}

// Random operations on one pool, at most `crowd` submitters and handles at a time. Under a step scheduler the same seed
// gives the same run; promises and timers have no part in it.
const soak = Effect.fnUntraced(function* (pool: TaskPoolService, operations: number, crowd: number) {
  const random = yield* Random.Random
  const below = (limit: number) => Math.floor(random.nextDoubleUnsafe() * limit)
  const tasks: Array<Soaked> = []
  let submitters: Array<Fiber.Fiber<unknown, unknown>> = []
  let handles: Array<TaskHandle<unknown, unknown>> = []
  let running = 0
  let done = 0

  const check = (stats: PoolStats): void => {
    const rule = ruleBrokenBy(stats) ?? (running > stats.running ? `I1: ${running} tasks really run` : undefined)
    if (rule !== undefined) assert.fail(`SEED=${seed}, operation ${done}, ${rule}: ${JSON.stringify(stats)}`)
  }
  const checkNow = Effect.map(pool.stats, check)

  const task = (): Effect.Effect<unknown, unknown> => {
    const soaked: Soaked = { begun: 0, ended: 0, results: 0 }
    tasks.push(soaked)
    const endings = [Effect.void, Effect.fail("failure"), Effect.die("defect"), Effect.interrupt, Effect.never]
    const ending = endings[below(endings.length)]!
    const yields = Effect.forEach(Array.from({ length: below(4) }), () => Effect.yieldNow, { discard: true })
    return Effect.acquireUseRelease(
      Effect.sync(() => {
        soaked.begun++
        running++
      }),
      () => Effect.andThen(yields, below(2) === 0 ? Effect.void : ending),
      () =>
        Effect.andThen(
          below(2) === 0 ? Effect.void : Effect.yieldNow,
          Effect.sync(() => {
            soaked.ended++
            running--
          })
        )
    )
  }

  const submit = Effect.suspend(() => {
    const one = task()
    const soaked = tasks.at(-1)!
    const received = Effect.sync(() => void soaked.results++)
    return Effect.ensuring(pool.submit(one, { weight: below(7) }), received)
  })
  const start = (effect: Effect.Effect<unknown, unknown>) =>
    Effect.map(Effect.forkDetach(effect, { startImmediately: true }), (fiber) => void submitters.push(fiber))
  const keep = (fork: Effect.Effect<TaskHandle<unknown, unknown>, unknown>) =>
    Effect.matchCause(fork, { onSuccess: (handle) => void handles.push(handle), onFailure: () => {} })
  const pick = <A>(all: ReadonlyArray<A>): A | undefined => all[below(all.length)]

  const step = Effect.suspend((): Effect.Effect<unknown, unknown> => {
    const dice = below(1000)
    if (dice < 300) return start(submit)
    if (dice < 400) return start(keep(pool.fork(task(), { weight: below(7) })))
    if (dice < 550) return keep(pool.submitNowait(task(), { weight: below(7) }))
    if (dice < 700) return Effect.sync(() => pick(submitters)?.interruptUnsafe())
    if (dice < 800) return start(Effect.suspend(() => pick(handles)?.cancel ?? Effect.void))
    if (dice < 850) return start(Effect.suspend(() => pick(handles)?.reprioritize(below(7)) ?? Effect.void))
    if (dice < 900) return start(Effect.suspend(() => pick(handles)?.join ?? Effect.void))
    if (dice < 925) return pool.scale(below(7) - 3)
    if (dice < 940) return start(pool.scale(below(7) - 3, { mode: "hard" }))
    if (dice < 950) return pool.resize(5)
    if (dice < 953) return pool.pause
    if (dice < 975) return pool.resume
    if (dice < 977) return start(pool.close({ mode: below(3) === 0 ? "drain" : "interrupt" }))
    if (dice < 995) return start(pool.start)
    return start(pool.awaitIdle)
  })

  const trim = Effect.sync(() => {
    submitters = submitters.filter((fiber) => fiber.pollUnsafe() === undefined)
    if (handles.length > crowd) handles = handles.slice(crowd / 2)
    // Interrupts the newest submitters if there are too many.
    for (const fiber of submitters.slice(crowd)) fiber.interruptUnsafe()
  })

  for (; done < operations; done++) {
    yield* Effect.exit(step)
    yield* checkNow
    if (done % 8 === 0) yield* Effect.yieldNow
    if (done % 100 === 0) yield* trim
  }
  for (const fiber of submitters) yield* Fiber.interrupt(fiber)
  yield* pool.close({ mode: "interrupt" })
  yield* checkNow
  const stats = yield* pool.stats
  return { stats, tasks, running }
})

const pools: ReadonlyArray<readonly [string, LayerOf<LawOptions>]> = [
  ["AioFixedTaskPoolSimple", layerOf.fixedSimple],
  ["AioFixedTaskPoolPriority", layerOf.fixedPriority],
  ["AioAutoScaleTaskPoolLifo", layerOf.autoScaleLifo]
]

/** Registers a soak of three pools, with this number of random operations on each. */
export const soakPools = (operations: number): void =>
  describe.each(pools)("%s", (name, layer) => {
    it(`${operations} random operations lose nothing: the numbers add up after each, each task settles once (I1, I3, I8)`, () => {
      const scheduler = new StepScheduler({ seed, budget: 100 })
      const program = Effect.provide(
        Effect.flatMap(TaskPool, (pool) => soak(pool, operations, 60)),
        layer({ size: 5, minSize: 0, maxSize: 12, capacity: 20 })
      )
      const fiber = Effect.runFork(Random.withSeed(program, seed), { scheduler })
      while (fiber.pollUnsafe() === undefined && scheduler.step());
      const exit = fiber.pollUnsafe()
      if (exit === undefined || Exit.isFailure(exit)) return assert.fail(`SEED=${seed}: ${String(exit ?? "it hangs")}`)
      const { running, stats, tasks } = exit.value
      console.log(`soak of ${name}: SEED=${seed}, ${tasks.length} tasks, ${stats.submitted} admitted`)
      assert.deepStrictEqual([stats.phase, stats.running, stats.waiting, running], ["Closed", 0, 0, 0])
      assert.isAbove(stats.succeeded, operations / 100)
      assert.isAbove(stats.cancelled, operations / 100)
      assert.isAbove(stats.interrupted, operations / 100)
      assert.isAbove(stats.failed, operations / 100)
      assert.isAbove(stats.rejected, operations / 100)
      const unfit = tasks.find((task) => task.begun > 1 || task.begun !== task.ended || task.results > 1)
      assert.isUndefined(unfit, `SEED=${seed}`)
    })
  })
