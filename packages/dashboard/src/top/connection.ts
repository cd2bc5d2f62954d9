/** Reads frames from a dashboard and asks it for actions. */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { Scope } from "effect/Scope"
import * as Stream from "effect/Stream"
import { Sse } from "../internal/unstableSse.ts"
import { Frame, Hello, paths } from "../Protocol.ts"

/** Why the view cannot go on, in one sentence. */
export class TopError extends Data.TaggedError("TopError")<{ readonly message: string }> {}

/** A dashboard's server. */
export interface Target {
  /** Its address, without a slash at the end and without a token. */
  readonly address: string
  readonly token: string | undefined
}

/** Reads an address, which may lack its scheme and may have `#token=` at its end. */
export const targetOf = (text: string, token?: string): Effect.Effect<Target, TopError> => {
  const url = URL.parse(/^[a-z]+:\/\//i.test(text) ? text : `http://${text}`)
  if (url === null || !/^https?:$/.test(url.protocol)) {
    return Effect.fail(new TopError({ message: `"${text}" is no http address` }))
  }
  // A `+` stands for itself, not for a space: a token may contain it.
  const fragment = new URLSearchParams(url.hash.slice(1).replaceAll("+", "%2B")).get("token") ?? undefined
  return Effect.succeed({ address: `${url.origin}${url.pathname.replace(/\/+$/, "")}`, token: token ?? fragment })
}

const reading: Record<number, string> = {
  401: "it wants the token: start with the whole address that the program logs, with #token=",
  403: "it refuses this address: use the one that the program logs, or add its host to allowedHosts",
  404: "there is no dashboard at this address",
  503: "it has as many readers as it allows"
}
const acting = { ...reading, 404: "the program allows no actions, or the pool has closed" }

/** Sends a request, and fails with what `refusals` says of the status of its answer. The answer ends with the scope. */
const request = (
  { address, token }: Target,
  path: string,
  init: Omit<RequestInit, "headers"> & { readonly headers?: Record<string, string> },
  refusals: Record<number, string>
): Effect.Effect<Response, TopError, Scope> => {
  const authorization: Record<string, string> = token === undefined ? {} : { authorization: `Bearer ${token}` }
  const headers = { ...authorization, ...init.headers }
  const answer = Effect.flatMap(aborted, (signal) =>
    Effect.tryPromise({
      try: () => fetch(`${address}${path}`, { ...init, headers, redirect: "error", signal }),
      catch: () => noAnswer(address)
    })
  )
  return answer.pipe(
    answeredBy(address),
    Effect.tap((response) => {
      if (response.ok) return Effect.void
      const status = `${address} answered ${response.status}`
      const why = refusals[response.status]
      return new TopError({ message: why === undefined ? status : `${status}: ${why}` })
    })
  )
}

/**
 * Aborts a request when the scope closes. A finalizer that is added when the answer is there would be too late: the reader
 * may be interrupted in between, and the connection would stay open.
 */
const aborted: Effect.Effect<AbortSignal, never, Scope> = Effect.map(
  Effect.acquireRelease(
    Effect.sync(() => new AbortController()),
    (controller) => Effect.sync(() => controller.abort())
  ),
  ({ signal }) => signal
)

/** The longest silence of a server, in milliseconds. A tunnel that breaks leaves a connection that never ends. */
const patience = 10_000

const noAnswer = (address: string) => new TopError({ message: `nothing answers at ${address}` })

/** Fails if an answer takes too long. */
const answeredBy =
  (address: string) =>
  <A, R>(answer: Effect.Effect<A, TopError, R>): Effect.Effect<A, TopError, R> =>
    Effect.timeoutOrElse(answer, { duration: patience, orElse: () => Effect.fail(noAnswer(address)) })

const strange = (target: Target) => () =>
  new TopError({ message: `${target.address} answers, but not like a dashboard of this version` })

const decodeFrame = Schema.decodeUnknownEffect(Frame)
const decodeHello = Schema.decodeUnknownEffect(Hello)

/** Reads all pools once. `json` is what the server has sent. */
export const readOnce = Effect.fnUntraced(function* (target: Target) {
  const response = yield* request(target, paths.pools, {}, reading)
  const body = Effect.tryPromise({ try: async (): Promise<unknown> => response.json(), catch: strange(target) })
  const json = yield* answeredBy(target.address)(body)
  return { json, frame: yield* Effect.mapError(decodeFrame(json), strange(target)) }
}, Effect.scoped)

/** What a stream of frames brings. */
export type Message =
  | { readonly _tag: "Hello"; readonly hello: Hello }
  | { readonly _tag: "Frame"; readonly frame: Frame }

/** The frames of a server, with the details of one pool. Ends when the server ends the stream. */
export const live = (target: Target, pool: string | undefined): Stream.Stream<Message, TopError> =>
  Stream.unwrap(
    Effect.gen(function* () {
      const path = pool === undefined ? paths.live : `${paths.live}?pool=${encodeURIComponent(pool)}`
      const response = yield* request(target, path, { headers: { accept: "text/event-stream" } }, reading)
      const lost = () => new TopError({ message: `the connection to ${target.address} is lost` })
      const { body } = response
      if (body === null) return Stream.empty
      return Stream.fromReadableStream({ evaluate: () => body, onError: lost }).pipe(
        Stream.decodeText(),
        parseEvents(strange(target)),
        Stream.mapEffect((event) => messageOf(event, strange(target))),
        endSilence(lost)
      )
    })
  )

/** Fails if no message comes for too long, or for the time of three frames. */
const endSilence =
  (lost: () => TopError) =>
  (messages: Stream.Stream<Message, TopError>): Stream.Stream<Message, TopError> => {
    let duration = patience
    const heard = Stream.map(messages, (message) => {
      if (message._tag === "Hello") duration = Math.max(patience, 3000 / message.hello.hz)
      return message
    })
    return Stream.scoped(
      Stream.fromPull(
        Effect.map(Stream.toPull(heard), (pull) =>
          Effect.suspend(() => Effect.timeoutOrElse(pull, { duration, orElse: () => Effect.fail(lost()) }))
        )
      )
    )
  }

const parseEvents =
  (onTooLarge: () => TopError) =>
  <E>(text: Stream.Stream<string, E>): Stream.Stream<Sse.Event, E | TopError> =>
    Stream.suspend(() => {
      let events: Array<Sse.Event> = []
      const parser = Sse.makeParser((event) => event._tag === "Event" && events.push(event))
      return Stream.flatMap(text, (chunk) => {
        if (parser.feed(chunk) !== undefined) return Stream.fail(onTooLarge())
        const ready = events
        events = []
        return Stream.fromIterable(ready)
      })
    })

const messageOf = ({ data, event }: Sse.Event, onStrange: () => TopError): Effect.Effect<Message, TopError> =>
  Effect.try({ try: (): unknown => JSON.parse(data), catch: onStrange }).pipe(
    Effect.flatMap((json) =>
      event === "hello"
        ? Effect.map(decodeHello(json), (hello): Message => ({ _tag: "Hello", hello }))
        : Effect.map(decodeFrame(json), (frame): Message => ({ _tag: "Frame", frame }))
    ),
    Effect.mapError(onStrange)
  )

/** Pauses or resumes a pool. */
export const act = (target: Target, id: string, action: "pause" | "resume"): Effect.Effect<void, TopError> => {
  const { origin } = new URL(target.address)
  const init = { method: "POST", headers: { origin, "content-type": "application/json" }, body: "{}" }
  return Effect.scoped(Effect.asVoid(request(target, paths.action(id, action), init, acting)))
}
