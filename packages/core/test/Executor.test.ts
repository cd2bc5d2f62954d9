import { Executor, type ExecutorCall, Job } from "@aio-task-pool/core"
import { executorLaws } from "@aio-task-pool/testing"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Tracer from "effect/Tracer"

executorLaws("in the calling thread", Executor.layerInline)

describe("the span of a job", () => {
  it.effect("has the times of the driver, which are milliseconds, in seconds", () =>
    Effect.gen(function* () {
      const executor = Executor.make({
        parallelism: 1,
        call: ({ onTimes }: ExecutorCall) => Effect.sync(() => onTimes?.(1500, 250)),
        stats: Effect.die("not read"),
        threads: Effect.succeed([])
      })
      const spans: Array<Tracer.NativeSpan> = []
      const tracer = Tracer.make({
        span: (options) => {
          const span = new Tracer.NativeSpan(options)
          spans.push(span)
          return span
        }
      })
      const job = Job.define(import.meta, "job", () => 1)
      yield* executor.run(job).pipe(Effect.withSpan("caller"), Effect.withTracer(tracer))
      const span = spans.find(({ name }) => name === "Executor.run")
      assert.strictEqual(span?.attributes.get("job.queue_time"), 1.5)
      assert.strictEqual(span?.attributes.get("job.run_time"), 0.25)
    })
  )
})
