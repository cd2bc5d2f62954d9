// Fetches 60 pages from an API that allows 20 requests per second and answers the others with 429 and `Retry-After`.
import { AioFixedTaskPoolSimple, type TaskOutcome, TaskPool } from "@aio-task-pool/core"
import { Cause, Data, Effect, Exit } from "effect"
import { openApi } from "./servers/api.ts"

const api = await openApi({ rate: { limit: 20, window: 1000 } })

class TooManyRequests extends Data.TaggedError("TooManyRequests")<{ readonly millis: number }> {}
/** The status is 0 if the connection broke. */
class HttpError extends Data.TaggedError("HttpError")<{ readonly status: number }> {}

/** `Retry-After` is a number of seconds or a date. */
const millisOf = (retryAfter: string | null): number => {
  const seconds = Number(retryAfter ?? 1)
  return Number.isNaN(seconds) ? Math.max(0, Date.parse(retryAfter!) - Date.now()) || 1000 : seconds * 1000
}

const getPage = Effect.fnUntraced(function* (page: number) {
  const [response, text] = yield* Effect.tryPromise({
    try: async (signal) => {
      const response = await fetch(`${api.origin}/page/${page}`, { signal })
      return [response, await response.text()] as const
    },
    catch: () => new HttpError({ status: 0 })
  })
  if (response.status === 429)
    return yield* new TooManyRequests({ millis: millisOf(response.headers.get("retry-after")) })
  if (!response.ok) return yield* new HttpError({ status: response.status })
  return text
})

// Tells the pool that a failure was a 429. The pool then starts nothing for as long as the server says.
const classify = (exit: Exit.Exit<unknown, unknown>): TaskOutcome => {
  if (Exit.isSuccess(exit)) return "success"
  const error = Cause.squash(exit.cause)
  return error instanceof TooManyRequests ? { overload: true, retryAfter: error.millis } : "ignore"
}

const pages = Array.from({ length: 60 }, (_, page) => page)
const mayRetry = (error: TooManyRequests | HttpError) => error._tag === "TooManyRequests" || error.status === 0
const program = TaskPool.forEach(pages, getPage, { retry: { times: 10, while: mayRetry } })

const texts = await Effect.runPromise(Effect.provide(program, AioFixedTaskPoolSimple.layer(4, { classify })))
console.log(`${texts.length} of ${pages.length} pages, at most ${api.seen.mostActive} at once`)
console.log(`${api.seen.limited} requests were answered with 429 and tried again`)
