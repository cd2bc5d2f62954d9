import { AioFixedTaskPoolSimple } from "@aio-task-pool/core"
import {
  DistributedTask,
  type DistributedTaskHandle,
  DistributedTaskPool,
  type NotAvailable,
  type TaskCancelled,
  type TaskLost
} from "@aio-task-pool/distributed"
import { expectTypeOf, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"

class Images extends DistributedTaskPool.Tag<Images>()("app/Images") {}
class Disk extends Context.Service<Disk, string>()("app/Disk") {}
class TooBig extends Schema.TaggedError<TooBig>()("TooBig", { width: Schema.Int }) {}

const Resize = DistributedTask.make("resize", {
  payload: Schema.Struct({ url: Schema.String, at: Schema.Date }),
  success: Schema.FiniteFromString,
  error: TooBig,
  progress: Schema.Int
})
const payload = { url: "/a", at: new Date(0) }

type Failure = TooBig | NotAvailable | TaskCancelled | TaskLost

it("submit has the decoded types of the schemas, and the errors of the pool", () => {
  expectTypeOf(Images.submit(Resize, payload)).toEqualTypeOf<Effect.Effect<number, Failure, Images>>()
  expectTypeOf(Images.fork(Resize, payload)).toEqualTypeOf<
    Effect.Effect<DistributedTaskHandle<number, TooBig, number>, NotAvailable | TaskLost, Images>
  >()
  expectTypeOf(Images.forEach(["/a"], Resize, (url) => ({ ...payload, url }))).toEqualTypeOf<
    Effect.Effect<Array<number>, Failure, Images>
  >()
  // @ts-expect-error: the payload has another type
  void Images.submit(Resize, { url: 5 })
  // @ts-expect-error: a task has no arguments
  void Images.submit(Resize, payload, { args: [] })
})

it("a handler returns what the schemas say, and its services are the worker layer's", () => {
  const handler = Resize.handle(({ at, url }, { progress }) =>
    Effect.gen(function* () {
      expectTypeOf(at).toEqualTypeOf<Date>()
      yield* progress(50)
      const disk = yield* Disk
      return disk.length + url.length
    })
  )
  expectTypeOf(Images.worker([handler], { concurrency: 1 })).toEqualTypeOf<Layer.Layer<never, never, Images | Disk>>()
  // @ts-expect-error: the result has another type
  Resize.handle(() => Effect.succeed("5"))
  // @ts-expect-error: no schema declares the failure
  Resize.handle(() => Effect.fail("full"))
  // @ts-expect-error: concurrency is required
  void (() => Images.worker([handler], {}))
})

it("a local pool provides its tag", () => {
  const layer = DistributedTaskPool.layerLocal(AioFixedTaskPoolSimple.layer(1), { tag: Images, name: "images" })
  expectTypeOf(layer).toEqualTypeOf<Layer.Layer<Images>>()
  const plain = DistributedTaskPool.layerLocal(AioFixedTaskPoolSimple.layer(1), { name: "images" })
  expectTypeOf(plain).toEqualTypeOf<Layer.Layer<DistributedTaskPool>>()
})
