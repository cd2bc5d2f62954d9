/**
 * Operations at the end of the stack: `node stackEnd.ts submits | items` prints what is left of a pool, or an agenda, as
 * JSON.
 *
 * A process of its own: there the stack has a known size, and no compiled code, so that it ends at the same calls each
 * time. Node gives up a process whose async contexts a stack overflow has left in disorder.
 */
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/testing/TestClock"
import { AioFixedTaskPoolSimple, TaskPool } from "../../src/index.ts"
import { Agenda, type Due } from "../../src/internal/pool/agenda.ts"

/**
 * Calls `f` on the way up from the end of the stack, where each frame leaves a little more of it, until it has succeeded
 * `most` times in a row. `shift` words lie below all frames. Returns how many calls threw.
 */
const diveAndCall = (f: () => void, most: number, shift: number): number => {
  let thrown = 0
  let inARow = 0
  const dive = (): void => {
    try {
      dive()
    } catch {
      // The stack has come to its end.
    }
    if (inARow === most) return
    try {
      f()
      inARow++
    } catch {
      thrown++
      inARow = 0
    }
  }
  const diveBelow = (..._words: ReadonlyArray<undefined>): void => dive()
  diveBelow(...Array.from({ length: shift }, () => undefined))
  return thrown
}

const submits = Effect.gen(function* () {
  const pool = yield* TaskPool
  let thrown = 0
  for (let i = 0; i < 300; i++) yield* pool.submit(Effect.void)
  for (let round = 0; round < 16; round++) {
    thrown += diveAndCall(() => void Effect.runFork(pool.submit(Effect.void)), 200, 4 * round)
    yield* Effect.sleep(1)
  }
  const { busy, running, waiting } = yield* pool.stats
  const tasks = [1, 2, 3].map((n) => Effect.as(Effect.sleep(1), n))
  const fibers = yield* Effect.forEach(tasks, (task) => Effect.forkChild(pool.submit(task), { startImmediately: true }))
  const { running: runningThen } = yield* pool.stats
  return { thrown: thrown > 0, busy, running, waiting, runningThen, results: yield* Fiber.joinAll(fibers) }
}).pipe(Effect.provide(AioFixedTaskPoolSimple.layer(3)))

const items = Effect.gen(function* () {
  const agenda = new Agenda(yield* Effect.context(), () => {})
  const fired: Array<number> = []
  const added: Array<number> = []
  const refused: Array<Due> = []
  let count = 0
  const add = (): void => {
    const n = count++
    const item: Due = { agendaSlot: -1, fire: () => void fired.push(n) }
    try {
      agenda.add(item, 10_000 - n)
    } catch (cause) {
      refused.push(item)
      throw cause
    }
    added.push(n)
  }
  const thrown = diveAndCall(add, 200, 0)
  const isConsistent = agenda.size === added.length && refused.every(({ agendaSlot }) => agendaSlot === -1)
  yield* TestClock.adjust(10_000)
  return { thrown: thrown > 0, isConsistent, allFired: fired.join() === added.toReversed().join() }
}).pipe(Effect.provide(TestClock.layer()))

const program: Effect.Effect<unknown, unknown> = process.argv[2] === "items" ? items : submits
console.log(JSON.stringify(await Effect.runPromise(program)))
