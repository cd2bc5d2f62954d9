/** What the tests of leaks are written with: when garbage is gone, and one round of everything that keeps something. */
import { type TaskHandle, type TaskPoolService } from "@aio-task-pool/core"
import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { setImmediate } from "node:timers/promises"
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"

setFlagsFromString("--expose-gc")
const gc: () => void = runInNewContext("gc")

/**
 * Collects garbage until a condition holds, and returns whether it did. A weak reference lives until the turn of
 * the event loop ends, and its target until a collection after that. What the engine's compiler looks at in another thread
 * lives until it is done, however long that takes.
 */
export const collectUntil = async (holds: () => boolean): Promise<boolean> => {
  for (let i = 0; i < 300; i++) {
    await setImmediate()
    gc()
    if (i >= 4 && holds()) return true
  }
  return false
}

/** Fails if more than `most` of these objects are still reachable, default 0. */
export const expectForgotten = async (refs: ReadonlyArray<WeakRef<object>>, what: string, most = 0): Promise<void> => {
  const kept = () => refs.filter((ref) => ref.deref() !== undefined).length
  assert.isTrue(await collectUntil(() => kept() <= most), `${kept()} of ${refs.length} ${what} are retained`)
}

// One round of all operations that keep references: a result, two cancellations, an interrupting close, a start.
export const cycle = Effect.fnUntraced(function* (pool: TaskPoolService, kept: Array<WeakRef<object>> | undefined) {
  const payload = { bytes: new Uint8Array(64) }
  const keep = (value: object) => void kept?.push(new WeakRef(value))
  keep(payload)
  yield* pool.submit(Effect.sync(() => payload.bytes.length))
  const handles: Array<TaskHandle<unknown>> = []
  for (let i = 0; i < 5; i++)
    handles.push(
      yield* pool.fork(
        Effect.andThen(
          Effect.sync(() => payload),
          Effect.never
        )
      )
    )
  handles.forEach(keep)
  yield* handles[3]!.cancel
  yield* handles[0]!.cancel
  yield* Effect.forkChild(
    pool.submit(
      Effect.andThen(
        Effect.sync(() => payload),
        Effect.never
      )
    )
  )
  yield* Effect.yieldNow
  yield* pool.close({ mode: "interrupt" })
  yield* pool.start
})
