// Two processes call one API, with one limit for both: at most three requests at once. Needs Redis.
import { DistributedTask, DistributedTaskPool } from "@aio-task-pool/distributed"
import { AioDistributedFixedTaskPoolSimple, BullMq } from "@aio-task-pool/distributed/bullmq"
import { NodeRuntime } from "@effect/platform-node"
import { Effect, Layer, Schedule, Schema } from "effect"
import { fork } from "node:child_process"
import { once } from "node:events"
import { openApi } from "./servers/api.ts"

class Pages extends DistributedTaskPool.Tag<Pages>()("app/Pages") {}

class FetchFailed extends Schema.TaggedError<FetchFailed>()("FetchFailed", { reason: Schema.String }) {}

// A function cannot travel: a task is a name, and the schemas of what travels.
const FetchPage = DistributedTask.make("fetch-page", {
  payload: Schema.Struct({ url: Schema.String }),
  success: Schema.Struct({ text: Schema.String, by: Schema.Int }),
  error: FetchFailed
})

const fetchPage = FetchPage.handle(({ url }) =>
  Effect.tryPromise({
    try: async (signal) => {
      const response = await fetch(url, { signal })
      if (!response.ok) throw new Error(`status ${response.status}`)
      return { text: await response.text(), by: process.pid }
    },
    catch: (cause) => new FetchFailed({ reason: String(cause) })
  })
)

// The pool's size, 3, is for all processes together. Each process takes up to three tasks.
const redis = BullMq.layer({ url: process.env["REDIS_URL"] ?? "redis://localhost:6379" })
const pool = AioDistributedFixedTaskPoolSimple.layer(3, { tag: Pages, name: "pages" }).pipe(Layer.provide(redis))
const live = Layer.provideMerge(Pages.worker([fetchPage], { concurrency: 3 }), pool)

/** Starts this program as a second process, which ends after its running tasks when the scope closes. */
const startWorker = Effect.acquireRelease(
  Effect.sync(() => fork(import.meta.filename, ["worker"])),
  (child) => Effect.promise(async () => void (child.kill("SIGTERM") && (await once(child, "exit"))))
)

const main = Effect.gen(function* () {
  const api = yield* Effect.promise(() => openApi({ answer: ({ pathname }) => (pathname === "/9" ? 404 : pathname) }))
  yield* startWorker
  yield* Effect.repeat(Pages.stats, { until: ({ workers }) => workers >= 2, schedule: Schedule.spaced("20 millis") })
  const urls = Array.from({ length: 60 }, (_, i) => `${api.origin}/${i}`)
  const [pages, failed] = yield* Effect.partition(urls, (url) => Pages.submit(FetchPage, { url }), {
    concurrency: "unbounded"
  })
  const here = pages.filter(({ by }) => by === process.pid).length
  console.log(`${pages.length} pages: ${here} fetched here, ${pages.length - here} by the other process`)
  for (const error of failed) console.log(`failed: ${error._tag}, ${error.reason}`)
  console.log(`${api.seen.served} pages served, at most ${api.seen.mostActive} requests at once`)
})

NodeRuntime.runMain(process.argv[2] === "worker" ? Layer.launch(live) : Effect.scoped(Effect.provide(main, live)))
