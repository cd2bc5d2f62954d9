// Asks a language model 30 questions within its requests and tokens per minute, and keeps every answer that arrives.
import { AioFixedTaskPoolSimple, TaskPool } from "@aio-task-pool/core"
import { type Cause, Data, Effect, Schedule } from "effect"
import { openModel } from "./servers/model.ts"

// 20 requests and 3,000 tokens per minute. Its minute lasts one second, so that this example is short.
const model = await openModel({ requests: 20, tokens: 3000, window: 1000 })

class ModelError extends Data.TaggedError("ModelError")<{ readonly status: number }> {}

const estimate = 200 // tokens of a typical answer

const ask = Effect.fnUntraced(function* (question: string) {
  const response = yield* Effect.tryPromise({
    try: (signal) => fetch(model.url, { method: "POST", body: JSON.stringify({ question }), signal }),
    catch: () => new ModelError({ status: 0 }) // the connection broke
  })
  if (!response.ok) return yield* new ModelError({ status: response.status })
  const answer = (yield* Effect.promise(() => response.json())) as { readonly text: string; readonly tokens: number }
  // The answer says what it cost. The pool corrects what it has counted.
  yield* TaskPool.adjustCost({ tokens: answer.tokens - estimate })
  return answer.text
})

const retry = {
  schedule: Schedule.exponential("100 millis").pipe(Schedule.jittered),
  times: 5,
  while: (error: ModelError | Cause.TimeoutError) =>
    error._tag === "TimeoutError" || [0, 429].includes(error.status) || error.status >= 500
}

const questions = Array.from({ length: 30 }, (_, id) => `question ${id}`)
const answers = new Map<string, string>()
const failures = new Map<string, string>()

const askAndNote = (question: string) =>
  // The timeout limits one attempt: an attempt that hangs is ended, and tried again.
  TaskPool.submit(ask(question).pipe(Effect.timeout("1 second")), { cost: { tokens: estimate }, retry }).pipe(
    Effect.match({
      onSuccess: (text) => void answers.set(question, text),
      onFailure: (error) => void failures.set(question, "status" in error ? `status ${error.status}` : error._tag)
    }),
    Effect.tap(() => {
      const done = answers.size + failures.size
      return done % 10 === 0 ? Effect.sync(() => console.log(`${done} of ${questions.length} done`)) : Effect.void
    })
  )

const all = Effect.forEach(questions, askAndNote, { concurrency: "unbounded", discard: true })
// After two minutes the program continues with what has arrived.
const program = Effect.timeoutOption(all, "2 minutes")

const window = "1100 millis" // a little longer than the server's: requests need time to arrive
const rate = [{ limit: 20, window } as const, { limit: 3000, window, unit: "tokens" } as const]
const began = performance.now()
await Effect.runPromise(Effect.provide(program, AioFixedTaskPoolSimple.layer(8, { rate })))
const seconds = ((performance.now() - began) / 1000).toFixed(1)
console.log(`${answers.size} answers in ${seconds} s, ${failures.size} failure: ${[...failures].join(" ")}`)
