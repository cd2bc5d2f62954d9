/**
 * Times requests and notes in which order they ended.
 */
import type { NotAvailable, TaskCancelled } from "@aio-task-pool/core"
import { Progress } from "@aio-task-pool/node"
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

/** A stopwatch for one trial. Each request is one step of its progress. */
export const makeStopwatch = (): Watch => {
  let place = 0
  return (request, group) =>
    Progress.step(request).pipe(
      Effect.match({ onFailure: (error) => error, onSuccess: () => undefined }),
      Effect.timed,
      Effect.map(([latency, error]) => ({ group, latency: Duration.toMillis(latency), place: ++place, error }))
    )
}
