/**
 * Times requests and notes in which order they ended.
 */
import type { NotAvailable, TaskCancelled } from "@aio-task-pool/core"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { HttpClientError } from "effect/http/HttpClientError"
import type { Rejected, WrongBody } from "./client.ts"

/** How a request can fail: in the server, in the network, or in a pool. */
export type RequestError = Rejected | WrongBody | HttpClientError | NotAvailable | TaskCancelled

/** The groups of requests in one trial, most urgent first. */
export const groups = ["urgent", "others"] as const

/** The outcome of one request. */
export interface Answer {
  readonly group: (typeof groups)[number] | undefined
  /** Milliseconds from submitting the request to its checked body, or to its failure. */
  readonly latency: number
  /** Its rank in the order of completion: 1 is the first. */
  readonly place: number
  readonly error: RequestError | undefined
}

/** Times one request; never fails. */
export type Watch = <R>(
  request: Effect.Effect<void, RequestError, R>,
  group?: Answer["group"]
) => Effect.Effect<Answer, never, R>

/** A stopwatch for one trial, which calls `onAnswer` for every request that has ended. */
export const makeStopwatch = (onAnswer: (answer: Answer) => void): Watch => {
  let place = 0
  return (request, group) =>
    request.pipe(
      Effect.match({ onFailure: (error) => error, onSuccess: () => undefined }),
      Effect.timed,
      Effect.map(([latency, error]) => {
        const answer = { group, latency: Duration.toMillis(latency), place: ++place, error }
        onAnswer(answer)
        return answer
      })
    )
}
