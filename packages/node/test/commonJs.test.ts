import { Executor, Job } from "@aio-task-pool/core"
import { NodeExecutor } from "@aio-task-pool/node"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"

type Jobs = Record<
  "answer" | "broken" | "default" | "double" | "half" | "halve" | "lazy" | "toString",
  (n: number) => number
>
const jobsOf = (file: string) => Job.module<Jobs>(new URL(`./jobs/commonJs/${file}.cjs`, import.meta.url))
const object = jobsOf("object")

for (const [where, layer] of [
  ["on a thread", NodeExecutor.layer({ threads: 1, spare: 0 })],
  ["inline", Executor.layerInline]
] as const) {
  describe(`jobs of CommonJS modules ${where}`, () => {
    for (const file of ["object", "function", "compiled"]) {
      it.live(`are found in module.exports: ${file}`, () =>
        Effect.gen(function* () {
          assert.strictEqual(yield* Executor.run(jobsOf(file).double, [21]), 42)
        }).pipe(Effect.provide(layer))
      )
    }

    it.live("may be the exported function itself, a getter, or exported under another name", () =>
      Effect.gen(function* () {
        assert.strictEqual(yield* Executor.run(jobsOf("function").default, [14]), 42)
        assert.strictEqual(yield* Executor.run(object.lazy, [41]), 42)
        assert.strictEqual(yield* Executor.run(object.half, [84]), 42)
        assert.strictEqual(yield* Executor.run(object.halve, [84]), 42)
      }).pipe(Effect.provide(layer))
    )

    it.live("include only the module's own functions, and the failure names them", () =>
      Effect.gen(function* () {
        for (const name of ["answer", "toString"] as const) {
          const error = yield* Effect.flip(Executor.run(object[name], [1]))
          assert.isTrue(error._tag === "TaskNotFound")
          assert.include(
            error.message,
            `${name}: ${object.double.url} has no function of that name (its functions: double, half)`
          )
        }
      }).pipe(Effect.provide(layer))
    )

    it.live("fail alone if reading the export throws", () =>
      Effect.gen(function* () {
        const error = yield* Effect.flip(Executor.run(object.broken, [1]))
        assert.isTrue(error._tag === "TaskNotFound" && (error.cause as Error).message === "broken at first use")
        assert.strictEqual(yield* Executor.run(object.double, [21]), 42)
      }).pipe(Effect.provide(layer))
    )
  })
}
