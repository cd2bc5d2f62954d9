/** A process of the benchmark: a worker of this package or of plain BullMQ, or a submitter that reads events. */
import { Effect, Layer } from "effect"
import { Worker } from "bullmq"
import { Redis } from "ioredis"
import type { SoakRun } from "./soakRecord.ts"
import { Hang, Noop, perWorker, plainQueue, Pool, poolOf, Victim } from "./tasks.ts"

const {
  copies = 1,
  kind,
  lease,
  name,
  stalledCheck,
  tellsRuns = false,
  url
} = JSON.parse(process.env["BENCHMARK"]!) as {
  readonly kind: "typed" | "plain" | "submitter"
  readonly url: string
  readonly name?: string
  readonly lease?: number
  readonly stalledCheck?: number
  /** Whether the worker tells of each run of `Noop`. */
  readonly tellsRuns?: boolean
  /** Workers or submitters in this process, each with connections of its own. */
  readonly copies?: number
}
const tell = (message: string | SoakRun) => void process.send?.(message)

let isAlone = false
process.on("message", (message) => {
  if (message === "heir") isAlone = true
})

if (kind === "plain") {
  const connection = new Redis(url, { maxRetriesPerRequest: null })
  const worker = new Worker(plainQueue, (job) => Promise.resolve((job.data as { readonly i: number }).i), {
    connection,
    prefix: "aio",
    concurrency: perWorker,
    lockDuration: 15_000
  })
  await worker.waitUntilReady()
  tell("ready")
} else if (kind === "submitter") {
  // Its own task makes it read the events of the pool.
  let reading = 0
  const main = Effect.gen(function* () {
    yield* Pool.submit(Noop, { i: 0 })
    if (++reading === copies) tell("ready")
    return yield* Effect.never
  })
  const one = Effect.provide(main, poolOf(url, name), { local: true })
  await Effect.runPromise(
    Effect.all(
      Array.from({ length: copies }, () => one),
      { concurrency: "unbounded" }
    )
  )
} else {
  const handlers = [
    Noop.handle(({ i }, { attempt, id, stalls }) => {
      if (tellsRuns) tell({ i, id, attempt, stalls, pid: process.pid })
      return Effect.succeed(i)
    }),
    Hang.handle(({ key }) =>
      Effect.andThen(
        Effect.sync(() => tell(`started ${key}`)),
        Effect.onInterrupt(Effect.never, () => Effect.sync(() => tell(`finalized ${key}`)))
      )
    ),
    Victim.handle(() =>
      isAlone
        ? Effect.void
        : Effect.andThen(
            Effect.sync(() => tell("victim")),
            Effect.never
          )
    )
  ]
  const worker = Pool.worker(handlers, {
    concurrency: perWorker,
    ...(lease === undefined ? {} : { lease }),
    ...(stalledCheck === undefined ? {} : { stalledCheck }),
    shutdown: { drainTimeout: 0 }
  })
  const closing = new Promise<void>((resolve) => {
    process.on("message", (message) => {
      if (message === "close") resolve()
    })
  })
  const main = Effect.gen(function* () {
    tell("ready")
    yield* Effect.promise(() => closing)
  })
  const one = Layer.provide(worker, poolOf(url, name))
  const all = Array.from({ length: copies }, () => Layer.fresh(one)).reduce((a, b) => Layer.merge(a, b))
  await Effect.runPromise(Effect.provide(main, all))
  tell("closed")
  process.disconnect()
}
