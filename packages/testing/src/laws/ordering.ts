import { TaskPool, type TaskHandle } from "@aio-task-pool/core"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import { type LawOptions, type LayerOf, occupy } from "./kit.ts"

/** A waiting task as an order sees it. */
export interface WaitingTask {
  /** Counts admissions. */
  readonly turn: number
  readonly weight: number
  /** Counts admissions and re-weightings: the moment since which the task has its weight. */
  readonly weightSince: number
}

/** A queue discipline as a comparison: the least task goes first. */
export type WaitingOrder = (a: WaitingTask, b: WaitingTask) => number

/** The order in which waiting tasks are dispatched. */
export const orderLaws = (name: string, layerOf: LayerOf<LawOptions>, order: WaitingOrder): void => {
  const law = (sentence: string, body: Effect.Effect<unknown, unknown, TaskPool>) =>
    it.effect(sentence, () => Effect.provide(body, layerOf({ size: 1 })), 20_000)

  describe(`${name}: order`, () => {
    for (const weights of [
      [undefined, undefined, undefined, undefined],
      [4, undefined, 3, 5, undefined, 4],
      [5, 4, 3, 2, 1, 0],
      [0, -1, 1, Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER, 4],
      [7, 7, 1, 1, 7, 1, 7, 1]
    ]) {
      law(
        `tasks with the weights ${weights.map((weight) => weight ?? "default").join(", ")} start in order (I4)`,
        Effect.gen(function* () {
          const line = yield* makeLine(order)
          for (const weight of weights) yield* line.fork(weight)
          yield* line.expectOrder
        })
      )
    }

    law(
      "the order is decided at dispatch: a task that arrives while others wait is placed among them (I4)",
      Effect.gen(function* () {
        const pool = yield* TaskPool
        const started: Array<number> = []
        const gates = yield* occupy(pool, 1)
        const expected: Array<WaitingTask> = []
        let turn = 0
        const handles: Array<TaskHandle<void>> = []
        // Each task that starts submits another one with a smaller weight, up to ten.
        const fork = (weight: number): Effect.Effect<void> =>
          Effect.suspend(() => {
            const id = turn++
            expected.push({ turn: id, weight, weightSince: id })
            const task = Effect.suspend(() => {
              const next = [...expected].sort(order)[0]!
              assert.strictEqual(id, next.turn)
              expected.splice(expected.indexOf(next), 1)
              started.push(id)
              return turn < 10 ? fork(weight - 1) : Effect.void
            })
            return Effect.orDie(Effect.map(pool.fork(task, { weight }), (handle) => void handles.push(handle)))
          })
        for (const weight of [3, 5, 4]) yield* fork(weight)
        yield* gates.release
        yield* pool.awaitIdle
        for (const handle of handles) yield* handle.join
        assert.strictEqual(started.length, 10)
      })
    )

    law(
      "a task that arrives while the pool yields to the event loop is placed among those that wait (I4)",
      Effect.gen(function* () {
        const pool = yield* TaskPool
        const busy = yield* occupy(pool, 1)
        const started: Array<number> = []
        // More tasks than end in one step, so that some still wait when the last one arrives.
        for (let i = 0; i < 3000; i++) yield* pool.fork(Effect.sync(() => started.push(i)))
        yield* busy.release
        while (started.length === 0) yield* Effect.yieldNow
        const before = started.length
        assert.isBelow(before, 3000)
        yield* pool.submit(Effect.sync(() => started.push(3000)))
        yield* pool.awaitIdle
        const turns = Array.from({ length: 3001 }, (_, turn) => turn).filter(
          (turn) => !started.slice(0, before).includes(turn)
        )
        const waiting = turns.map((turn): WaitingTask => ({ turn, weight: 4, weightSince: turn }))
        assert.deepStrictEqual(
          started.slice(before),
          waiting.sort(order).map((task) => task.turn)
        )
      })
    )

    law(
      "on a priority pool a reprioritized task goes behind those that already have its weight (I4)",
      Effect.gen(function* () {
        const line = yield* makeLine(order)
        for (const weight of [1, 2, 3, 2, 1]) yield* line.fork(weight)
        yield* line.reweigh(0, 2)
        yield* line.reweigh(2, 1)
        yield* line.reweigh(3, 2)
        yield* line.expectOrder
      })
    )

    law(
      "300 random submissions, cancellations and re-weightings agree with a sorted list (I4)",
      Effect.gen(function* () {
        const random = yield* Random.Random
        const below = (limit: number) => Math.floor(random.nextDoubleUnsafe() * limit)
        const line = yield* makeLine(order)
        for (let i = 0; i < 300; i++) {
          const dice = below(10)
          if (dice < 6) yield* line.fork(below(20) === 0 ? undefined : below(9) - 4)
          else if (dice < 8) yield* line.cancel(below(1000))
          else yield* line.reweigh(below(1000), below(9) - 4)
        }
        yield* line.expectOrder
      }).pipe(Random.withSeed("order"))
    )
  })
}

// A busy pool of one worker, its waiting tasks, and the same tasks in a list.
const makeLine = Effect.fnUntraced(function* (order: WaitingOrder) {
  const pool = yield* TaskPool
  const busy = yield* occupy(pool, 1)
  const started: Array<number> = []
  let clock = 0
  let waiting: Array<WaitingTask & { readonly handle: TaskHandle<unknown> }> = []
  const pick = (index: number) => waiting[index % waiting.length]
  return {
    fork: Effect.fnUntraced(function* (weight: number | undefined) {
      const turn = clock++
      const handle = yield* pool.fork(
        Effect.sync(() => started.push(turn)),
        weight === undefined ? {} : { weight }
      )
      waiting.push({ turn, weight: weight ?? 4, weightSince: turn, handle })
    }),
    cancel: Effect.fnUntraced(function* (index: number) {
      const task = pick(index)
      if (task === undefined) return
      yield* task.handle.cancel
      waiting = waiting.filter((other) => other !== task)
    }),
    reweigh: Effect.fnUntraced(function* (index: number, weight: number) {
      const task = pick(index)
      if (task === undefined) return
      yield* task.handle.reprioritize(weight)
      if (weight === task.weight) return
      waiting = waiting.map((other) => (other === task ? { ...task, weight, weightSince: clock++ } : other))
    }),
    expectOrder: Effect.gen(function* () {
      const expected = [...waiting].sort(order).map((task) => task.turn)
      yield* busy.release
      yield* pool.awaitIdle
      assert.deepStrictEqual(started, expected)
    })
  }
})
