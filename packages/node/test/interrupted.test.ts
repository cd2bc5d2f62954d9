/** What is left of an executor that is interrupted, or that fails, while its threads are made. */
import { Job, PoolRegistry } from "@aio-task-pool/core"
import { NodeExecutor } from "@aio-task-pool/node"
import { interruptedEverywhere } from "@aio-task-pool/testing/interrupting"
import { makeTerminal } from "@aio-task-pool/testing/terminal"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { setTimeout } from "node:timers/promises"
import { Progress } from "../src/index.ts"
import { watchThreads } from "./support.ts"

const zlib = Job.module<typeof import("node:zlib")>("node:zlib")

/** Polls in real time, because only the threads know. */
const until = (holds: () => boolean) =>
  Effect.promise(async () => {
    for (let polls = 0; polls < 20_000 && !holds(); polls++) await setTimeout(5)
  })

const watched = Effect.acquireRelease(Effect.sync(watchThreads), ({ stop }) => Effect.sync(stop))

describe("an executor", () => {
  it.live("that is interrupted while it starts leaves no thread and no entry", () =>
    Effect.gen(function* () {
      const { alive } = yield* watched
      const registry = yield* PoolRegistry.make
      const subject = Effect.scoped(
        Effect.flatMap(NodeExecutor.make({ threads: 1, spare: 0 }), ({ run }) => run(zlib.crc32, ["hello"]))
      )
      const operations = yield* interruptedEverywhere(
        Effect.provideService(subject, PoolRegistry, registry),
        (_exit, at) =>
          Effect.gen(function* () {
            yield* until(() => alive.size === 0)
            assert.strictEqual(alive.size, 0, `interrupted before operation ${at}`)
            assert.deepStrictEqual(yield* registry.executors, [])
          })
      )
      assert.isAbove(operations, 20)
    }).pipe(Effect.scoped)
  )

  it.live("that has no memory for a second thread ends the first one with its scope", () =>
    Effect.gen(function* () {
      const { alive } = yield* watched
      const { SharedArrayBuffer: Memory } = globalThis
      let made = 0
      const used = Effect.gen(function* () {
        globalThis.SharedArrayBuffer = class extends Memory {
          constructor(...args: ConstructorParameters<typeof Memory>) {
            if (++made === 2) throw new RangeError("Array buffer allocation failed")
            super(...args)
          }
        }
        const { run } = yield* NodeExecutor.make({ threads: 2, spare: 0 })
        return yield* run(zlib.crc32, ["hello"])
      })
      const restore = Effect.sync(() => {
        globalThis.SharedArrayBuffer = Memory
      })
      const exit = yield* Effect.exit(Effect.scoped(Effect.ensuring(used, restore)))
      assert.strictEqual(exit._tag, "Success")
      yield* until(() => alive.size === 0)
      assert.strictEqual(alive.size, 0)
      assert.isAtLeast(made, 2)
    }).pipe(Effect.scoped)
  )
})

describe("a progress display", () => {
  it.live("that is interrupted while it starts leaves no interception, listener or timer", () =>
    Effect.gen(function* () {
      const { stream } = makeTerminal(80)
      const listeners = process.listenerCount("exit")
      const work = Progress.track(Effect.sleep("20 millis"), { label: "work" })
      const operations = yield* interruptedEverywhere(
        Effect.provide(work, Layer.fresh(Progress.layer({ stream, hz: 60 }))),
        (_exit, at, alive) =>
          Effect.gen(function* () {
            yield* until(() => alive("Timeout") === 0)
            assert.strictEqual(alive("Timeout"), 0, `interrupted before operation ${at}`)
            assert.isFalse(Object.hasOwn(stream, "write"))
            assert.strictEqual(process.listenerCount("exit"), listeners)
          })
      )
      assert.isAbove(operations, 50)
    })
  )
})
