/**
 * The ways to fetch all files. Each sends every request at once; they differ in the pool between requests and server. The
 * last two use an API key, for which the server has a rate limit.
 */
import {
  AioAutoScaleTaskPoolSimple,
  AioFixedTaskPoolPriority,
  AioFixedTaskPoolSimple,
  type TaskOutcome,
  TaskPool
} from "@aio-task-pool/core"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Stream from "effect/Stream"
import { FileClient, Rejected } from "./client.ts"
import type { SourceFile } from "./files.ts"
import type { Answer, Watch } from "./stopwatch.ts"

/** The input of a way. */
export interface Trial {
  readonly files: ReadonlyArray<SourceFile>
  /** The maximum number of workers of a pool. */
  readonly size: number
  /** The requests that the server accepts in any second from an API key. */
  readonly rate: number
  /** Times a request, from submitting it to its checked body. */
  readonly watch: Watch
}

/** The outcome of a trial. */
export interface Outcome {
  readonly answers: ReadonlyArray<Answer>
  /** The most requests that were sent at once. */
  readonly largestSize: number
  /** The sizes that an auto-scale pool went through. */
  readonly sizes?: ReadonlyArray<number>
}

export interface Way {
  readonly title: string
  /** Whether its client has an API key. */
  readonly usesApiKey?: boolean
  readonly run: (trial: Trial) => Effect.Effect<Outcome, never, FileClient>
}

const all = { concurrency: "unbounded" } as const

const atOnce: Way = {
  title: "everything at once",
  run: Effect.fnUntraced(function* ({ files, watch }) {
    const { fetch } = yield* FileClient
    const answers = yield* Effect.forEach(files, (file) => watch(fetch(file)), all)
    return { answers, largestSize: files.length }
  })
}

const fixed: Way = {
  title: "fixed pool",
  run: ({ files, size, watch }) =>
    Effect.gen(function* () {
      const { fetch } = yield* FileClient
      const answers = yield* Effect.forEach(files, (file) => watch(TaskPool.submit(fetch(file))), all)
      const { largestSize } = yield* TaskPool.stats
      return { answers, largestSize }
    }).pipe(Effect.provide(AioFixedTaskPoolSimple.layer(size, { name: "fixed" })))
}

const autoScale: Way = {
  title: "auto-scale pool",
  run: ({ files, size, watch }) =>
    Effect.gen(function* () {
      const { fetch } = yield* FileClient
      const sizes = [(yield* TaskPool.stats).size]
      yield* TaskPool.events.pipe(
        Stream.runForEach((event) => Effect.sync(() => (event._tag === "Scaled" ? sizes.push(event.to) : 0))),
        Effect.forkScoped({ startImmediately: true })
      )
      const answers = yield* Effect.forEach(files, (file) => watch(TaskPool.submit(fetch(file))), all)
      const { largestSize } = yield* TaskPool.stats
      return { answers, largestSize, sizes }
    }).pipe(
      Effect.scoped,
      Effect.provide(
        AioAutoScaleTaskPoolSimple.layer({
          name: "auto-scale",
          minSize: Math.min(2, size),
          maxSize: size,
          interval: "200 millis"
        })
      )
    )
}

const priority: Way = {
  title: "priority pool",
  run: ({ files, size, watch }) =>
    Effect.gen(function* () {
      const { fetch } = yield* FileClient
      // The last tenth is urgent: submitted after all others, and meant to overtake them.
      const urgentFrom = files.length - Math.ceil(files.length / 10)
      const answers = yield* Effect.forEach(
        files,
        (file, place) =>
          place < urgentFrom
            ? watch(TaskPool.submit(fetch(file)), "others")
            : watch(TaskPool.submit(fetch(file), { weight: 1 }), "urgent"),
        all
      )
      const { largestSize } = yield* TaskPool.stats
      return { answers, largestSize }
    }).pipe(Effect.provide(AioFixedTaskPoolPriority.layer(size, { name: "priority" })))
}

const apiFixed: Way = { ...fixed, title: "fixed pool, API limit", usesApiKey: true }

const isRateLimited = (error: unknown): error is Rejected => error instanceof Rejected && error.status === 429

const apiRate: Way = {
  title: "rate pool, API limit",
  usesApiKey: true,
  run: ({ files, rate, size, watch }) =>
    Effect.gen(function* () {
      const { fetch } = yield* FileClient
      // The rate keeps to the limit. If the network delays a request into the next window, the server rejects it, and it is
      // tried again.
      const options = { retry: { while: isRateLimited } }
      const answers = yield* Effect.forEach(files, (file) => watch(TaskPool.submit(fetch(file), options)), all)
      const { largestSize } = yield* TaskPool.stats
      return { answers, largestSize }
    }).pipe(
      Effect.provide(
        AioFixedTaskPoolSimple.layer(size, {
          name: "rate",
          // A little longer than the server's second: it counts arrivals, and the pool counts starts.
          rate: { limit: rate, window: "1250 millis" },
          classify
        })
      )
    )
}

const classify = (exit: Exit.Exit<unknown, unknown>): TaskOutcome => {
  if (Exit.isSuccess(exit)) return "success"
  const error = Cause.squash(exit.cause)
  return isRateLimited(error) ? { overload: true, retryAfter: `${error.retryAfter ?? 1} seconds` } : "ignore"
}

/** All ways, by the names that `--only` accepts. */
export const ways = {
  "at-once": atOnce,
  fixed,
  "auto-scale": autoScale,
  priority,
  "api-fixed": apiFixed,
  "api-rate": apiRate
}

/** The name of a way, and the API key of its client, if it uses one. */
export type WayName = keyof typeof ways
