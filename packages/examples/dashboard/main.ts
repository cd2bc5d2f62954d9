// Two pools at work, shown in the browser until Ctrl-C. PORT changes the port, 4980 by default; 0 takes any free one.
import { AioAutoScaleTaskPoolSimple, AioFixedTaskPoolSimple, TaskPool } from "@aio-task-pool/core"
import { Dashboard } from "@aio-task-pool/dashboard"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Effect, Layer, Random, Schedule } from "effect"

class Mail extends TaskPool.Tag<Mail>()("example/Mail") {}
class Thumbnails extends TaskPool.Tag<Thumbnails>()("example/Thumbnails") {}

/** Simulates a request that takes between half and twice the given time. */
const request = (millis: number) => Effect.flatMap(Random.nextBetween(millis / 2, 2 * millis), Effect.sleep)

const sendMail = Mail.fork(request(300), { label: "send mail" })
const makeThumbnail = Thumbnails.fork(request(100), { label: "make thumbnail" })

const main = Effect.gen(function* () {
  console.log(`the pools are shown at ${yield* Dashboard.address}`)
  // More mails come than three workers can send, so their queue grows. When it is full, this fiber waits.
  yield* Effect.forkScoped(Effect.repeat(sendMail, Schedule.spaced("50 millis")))
  yield* Effect.repeat(makeThumbnail, Schedule.spaced("20 millis"))
}).pipe(Effect.scoped)

const pools = Layer.mergeAll(
  AioFixedTaskPoolSimple.layer(3, { tag: Mail, name: "mail", capacity: 100 }),
  AioAutoScaleTaskPoolSimple.layer({ tag: Thumbnails, name: "thumbnails", minSize: 1, maxSize: 16 })
)
// The dashboard comes below the pools, so that it sees them from birth.
const live = Layer.provideMerge(pools, Dashboard.layer({ port: Number(process.env["PORT"] ?? 4980), actions: true }))

NodeRuntime.runMain(Effect.provide(main, live))
