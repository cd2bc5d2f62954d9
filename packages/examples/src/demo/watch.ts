/** Pools that stay at work for a reader of the dashboard: waves of requests to the demo's server, and of blocking jobs. */
import {
  AioAutoScaleTaskPoolSimple,
  AioFixedTaskPoolPriority,
  AioFixedTaskPoolSimple,
  Executor,
  type TaskOutcome,
  type TaskPoolService
} from "@aio-task-pool/core"
import { NodeExecutor } from "@aio-task-pool/node"
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import * as Path from "effect/Path"
import { compress } from "../blocking/archive.jobs.ts"
import { FileClient, Rejected } from "./client.ts"
import { type SourceFile, sourceFolder } from "./files.ts"

/** Tasks per second: a mean, and how far and how fast it goes up and down. */
interface Wave {
  readonly mean: number
  readonly swing: number
  /** Seconds from one crest to the next. */
  readonly period: number
}

const beat = 100

/** Starts tasks in waves, until it is interrupted. Nobody waits for their outcomes. */
const inWaves = <E, R>({ mean, period, swing }: Wave, start: (index: number) => Effect.Effect<unknown, E, R>) =>
  Effect.gen(function* () {
    let due = 0
    for (let index = 0; ;) {
      const seconds = (yield* Clock.currentTimeMillis) / 1000
      due += (beat / 1000) * Math.max(0, mean + swing * Math.sin((2 * Math.PI * seconds) / period))
      for (; due >= 1; due--) yield* Effect.forkScoped(Effect.ignore(start(index++)))
      yield* Effect.sleep(beat)
    }
  })

const isOverload = (exit: Exit.Exit<unknown, unknown>): TaskOutcome => {
  if (exit._tag === "Success") return "success"
  const error = Cause.squash(exit.cause)
  return error instanceof Rejected && error.status === 503 ? "overload" : "ignore"
}

/** Keeps four pools and an executor at work, until it is interrupted. `limit` is that of the server. */
export const keepWorking = (files: ReadonlyArray<SourceFile>, limit: number) =>
  Effect.gen(function* () {
    const { fetch } = yield* FileClient
    const { join } = yield* Path.Path
    const root = yield* sourceFolder
    const executor = yield* NodeExecutor.make({ threads: 2, name: "compression" })
    const file = (index: number): SourceFile => files[index % files.length]!
    const download = (pool: TaskPoolService, index: number, weight?: number) =>
      pool.submit(fetch(file(index)), { label: `GET ${file(index).path}`, ...(weight === undefined ? {} : { weight }) })

    // Finds the server's limit by itself.
    const search = yield* AioAutoScaleTaskPoolSimple.make({
      name: "search",
      minSize: Math.min(4, limit),
      maxSize: 4 * limit,
      interval: "1 second",
      classify: isOverload
    })
    const thumbnails = yield* AioFixedTaskPoolPriority.make({ name: "thumbnails", size: Math.ceil(limit / 4) })
    // Too small for its crests, which it rejects.
    const newsletter = yield* AioFixedTaskPoolSimple.make({ name: "newsletter", size: 1, capacity: 20, onFull: "fail" })
    const archive = yield* AioFixedTaskPoolSimple.make({ name: "archive", size: 2, capacity: 50 })
    const squeeze = (index: number) =>
      archive
        .submitBlocking(compress, { args: [join(root, file(index).path)] })
        .pipe(Effect.provideService(Executor, executor))

    yield* Effect.all(
      [
        inWaves({ mean: 3 * limit, swing: 3 * limit, period: 60 }, (index) => download(search, index)),
        inWaves({ mean: 1.5 * limit, swing: 2 * limit, period: 25 }, (index) =>
          download(thumbnails, index, 1 + (index % 5))
        ),
        inWaves({ mean: 5, swing: 15, period: 45 }, (index) => download(newsletter, index)),
        inWaves({ mean: 10, swing: 10, period: 35 }, squeeze)
      ],
      { concurrency: "unbounded", discard: true }
    )
  }).pipe(Effect.scoped)
