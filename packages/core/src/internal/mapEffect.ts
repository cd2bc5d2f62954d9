/**
 * A stream mapped by tasks of a pool.
 *
 * A fiber in the stream's scope feeds elements to the pool: it pulls the next one when the pool has launched the one
 * before and the results that wait downstream leave room. Settled tasks put their results into a queue, in order.
 */
import * as Effect from "effect/Effect"
import type { Exit } from "effect/Exit"
import * as Latch from "effect/Latch"
import * as Queue from "effect/Queue"
import * as Stream from "effect/Stream"
import type { MapEffectOptions } from "../TaskPool.ts"
import { checkPositive } from "./arguments.ts"
import { Fork } from "./admission.ts"
import { awaitEnds, awaitUntil } from "./waits.ts"
import type { Machine } from "./machine.ts"
import { makeTaskUnsafe, type Task } from "./task.ts"

export const mapEffect = (
  machine: Machine,
  stream: Stream.Stream<any, any, any>,
  f: (element: any, index: number) => Effect.Effect<any, any, any>,
  options: MapEffectOptions = {}
): Stream.Stream<any, any, any> =>
  Stream.unwrap(
    Effect.gen(function* () {
      const where = "TaskPool.mapEffect"
      const bufferSize = checkPositive(where, "bufferSize", options.bufferSize ?? 16)
      const results = yield* Queue.unbounded<unknown, unknown>()
      const room = Latch.makeUnsafe(true)
      const live = new Set<Task>()
      /** Results that are not consumed: those in the queue, and those that wait for an earlier one. */
      let unconsumed = 0
      const early = new Map<number, unknown>()
      let nextIndex = 0
      let upstreamEnded = false

      const deliver = (index: number, value: unknown): void => {
        if (++unconsumed >= bufferSize) room.closeUnsafe()
        if (options.unordered === true) return void Queue.offerUnsafe(results, value)
        early.set(index, value)
        for (; early.has(nextIndex); nextIndex++) {
          Queue.offerUnsafe(results, early.get(nextIndex))
          early.delete(nextIndex)
        }
      }

      const settled = (task: Task, index: number, exit: Exit<unknown, unknown>): void => {
        live.delete(task)
        if (exit._tag === "Failure") Queue.failCauseUnsafe(results, exit.cause)
        else deliver(index, exit.value)
        if (upstreamEnded && live.size === 0) Queue.endUnsafe(results)
      }

      const feed = Effect.fnUntraced(function* (element: unknown, index: number) {
        const task = yield* Effect.withFiber((fiber) =>
          Effect.succeed(makeTaskUnsafe(machine, where, f, { ...options, args: [element, index] }, fiber))
        )
        task.observers = new Set([(exit) => settled(task, index, exit)])
        live.add(task)
        yield* new Fork(() => task, true)
        yield* awaitUntil(machine, () => task.state !== "Waiting")
        yield* room.await
      })

      yield* Effect.addFinalizer(() =>
        Effect.suspend(() => {
          const tasks = Array.from(live)
          for (const task of tasks) machine.withdraw(task, undefined)
          return awaitEnds(machine, tasks)
        })
      )
      let index = 0
      yield* Stream.runForEach(Stream.rechunk(stream, 1), (element) => feed(element, index++)).pipe(
        Effect.matchCause({
          onFailure: (cause) => void Queue.failCauseUnsafe(results, cause),
          onSuccess: () => {
            upstreamEnded = true
            if (live.size === 0) Queue.endUnsafe(results)
          }
        }),
        Effect.forkScoped
      )
      const consumed = <A>(value: A): A => {
        if (--unconsumed < bufferSize) room.openUnsafe()
        return value
      }
      return Stream.map(Stream.fromQueue(results), consumed)
    })
  )
