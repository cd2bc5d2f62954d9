/**
 * The wire format: encodes payloads, exits and progress values, and decodes what comes back.
 *
 * Everything from a broker is foreign: no value is used before a schema, or a check of its own, has accepted it. Errors
 * have the path of what does not fit, never the value.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Schema from "effect/Schema"
import type { Issue } from "effect/SchemaIssue"
import * as SchemaParser from "effect/SchemaParser"
import type { Any } from "../DistributedTask.ts"
import { handlePromise } from "./arguments.ts"
import type { Answer } from "./wire.ts"

/** The format of `WireData`. It grows when an older worker would misunderstand a newer task. */
export const wireFormat = 1

/** What does not fit: a path, or the size. */
export class Unfit {
  readonly _tag = "Unfit"
  readonly detail: string
  constructor(detail: string) {
    this.detail = detail
  }
}

/** The codecs of one task. */
export interface TaskCodec {
  readonly encodePayload: (payload: unknown, sizeLimit: number) => Effect.Effect<Schema.Json, Unfit>
  readonly decodePayload: (json: unknown) => Effect.Effect<unknown, Unfit>
  readonly encodeExit: (exit: Exit.Exit<unknown, unknown>, sizeLimit: number) => Effect.Effect<Schema.Json, Unfit>
  readonly decodeExit: (json: unknown) => Effect.Effect<Exit.Exit<any, any>, Unfit>
  readonly encodeProgress: (value: unknown, sizeLimit: number) => Effect.Effect<Schema.Json, Unfit>
  readonly decodeProgress: (json: unknown) => Effect.Effect<unknown, Unfit>
}

const codecs = new WeakMap<Any, TaskCodec>()

/** Returns the codecs of a task, which are made once. */
export const codecOf = (task: Any): TaskCodec => {
  const known = codecs.get(task)
  if (known !== undefined) return known
  const codec = makeCodec(task)
  codecs.set(task, codec)
  return codec
}

const makeCodec = (task: Any): TaskCodec => {
  const payload = Schema.toCodecJson(task.payload)
  const exit = Schema.toCodecJson(Schema.Exit(task.success, task.error, Schema.Defect()))
  const progress = Schema.toCodecJson(task.progress)
  return {
    encodePayload: encoder(payload, "payload"),
    decodePayload: decoder(payload, "payload"),
    encodeExit: encoder(
      exit,
      "result",
      (exit: Exit.Exit<unknown, unknown>) => Exit.isSuccess(exit) && exit.value,
      completeExit
    ),
    decodeExit: decoder<Exit.Exit<any, any>>(exit, "result"),
    encodeProgress: encoder(progress, "progress", undefined, complete),
    decodeProgress: decoder(progress, "progress")
  }
}

/** JSON has no `undefined`, which `Schema.Any` passes on. Other schemas encode it as `null`. */
const complete = (json: Schema.Json | undefined): Schema.Json => (json === undefined ? null : json)

/** Completes the value of an encoded exit, or the errors of its cause. */
const completeExit = (exit: any): Schema.Json => {
  if (exit._tag === "Success") return exit.value === undefined ? { ...exit, value: null } : exit
  const completeReason = (reason: any) =>
    reason._tag === "Fail" && reason.error === undefined ? { ...reason, error: null } : reason
  return { ...exit, cause: exit.cause.map(completeReason) }
}

/** `valueOf` returns the user's value, which may be a promise by mistake. `complete` makes the encoded value JSON. */
const encoder = (
  schema: Schema.Codec<any, Schema.Json>,
  what: string,
  valueOf: (value: any) => unknown = (value) => value,
  complete: (json: Schema.Json) => Schema.Json = (json) => json
) => {
  const encode = SchemaParser.encodeUnknownEffect(schema)
  return (value: unknown, sizeLimit: number): Effect.Effect<Schema.Json, Unfit> =>
    fit(what, () => {
      handlePromise(valueOf(value))
      return Effect.flatMap(unfitOf(what, encode(value)), (json) => checkBytes(what, complete(json), sizeLimit))
    })
}

const decoder = <A>(schema: Schema.Codec<A, Schema.Json>, what: string) => {
  const decode = SchemaParser.decodeUnknownEffect(schema)
  return (json: unknown): Effect.Effect<A, Unfit> => fit(what, () => unfitOf(what, decode(json)))
}

/**
 * A schema is user code: if it throws or interrupts itself, the value does not fit. It must not end a worker. An
 * interruption from outside does not come here.
 */
const fit = <A>(what: string, run: () => Effect.Effect<A, Unfit>): Effect.Effect<A, Unfit> =>
  Effect.catchCause(Effect.suspend(run), (cause) => {
    if (Cause.hasDies(cause)) return Effect.fail(new Unfit(`${what}: its schema threw`))
    return Cause.hasInterrupts(cause)
      ? Effect.fail(new Unfit(`${what}: its schema interrupted itself`))
      : Effect.failCause(cause)
  })

const unfitOf = <A>(what: string, effect: Effect.Effect<A, Issue>): Effect.Effect<A, Unfit> =>
  Effect.mapError(effect, (issue) => new Unfit(`${what}${pathOf(issue)}`))

/** The path of the first thing that does not fit, such as `["user"]["age"]`. Keys may be foreign, so it is cut. */
const pathOf = (issue: Issue): string => {
  let path = ""
  let at: Issue | undefined = issue
  while (at !== undefined) {
    if (at._tag === "Pointer") path += at.path.map((key) => `[${JSON.stringify(String(key))}]`).join("")
    at = "issues" in at ? at.issues[0] : "issue" in at ? at.issue : undefined
  }
  return path.length > 200 ? ` at ${path.slice(0, 200)}…` : path === "" ? "" : ` at ${path}`
}

/** Checks the size. Returns a copy, because an engine sends it later, and a schema may pass on parts of the user's value. */
const checkBytes = (what: string, json: Schema.Json, sizeLimit: number): Effect.Effect<Schema.Json, Unfit> => {
  // `undefined` has no text. As a part of an object it is left out, alone it is a payload of `Schema.Any`.
  const text = JSON.stringify(json) as string | undefined
  // A UTF-16 unit takes at most 3 bytes, so that small values need no counting.
  const bytes = text === undefined ? 0 : text.length * 3 <= sizeLimit ? 0 : new TextEncoder().encode(text).byteLength
  if (bytes > sizeLimit) {
    return Effect.fail(new Unfit(`${what}: ${bytes} bytes exceed the size limit of ${sizeLimit} bytes`))
  }
  return Effect.succeed(text === undefined || typeof json !== "object" ? json : (JSON.parse(text) as Schema.Json))
}

/** Checks an answer that a broker returned. Returns none for what no worker of ours wrote. */
export const parseAnswer = (value: unknown): Answer | undefined => {
  if (typeof value !== "object" || value === null) return undefined
  const { attempts, cancelled, detail, exit, lost, started } = ownFields(value)
  if (exit !== undefined) return { exit: exit as Schema.Json }
  if ((cancelled === "Cancelled" || cancelled === "TimedOut") && typeof started === "boolean") {
    return { cancelled, started }
  }
  if (
    (lost === "Poisoned" || lost === "Vanished" || lost === "UnknownTask" || lost === "Undecodable") &&
    typeof attempts === "number" &&
    typeof detail === "string"
  ) {
    return { lost, attempts, detail: detail.slice(0, 500) }
  }
  return undefined
}

/** The own fields of a foreign object: a field is not inherited from a prototype that somebody changed. */
export const ownFields = (value: object): Readonly<Record<string, unknown>> =>
  Object.assign(Object.create(null) as Record<string, unknown>, value)

/** Parses a W3C traceparent, strictly: version 00, and IDs that are not all zeros. */
export const parseTraceparent = (
  value: unknown
): { readonly traceId: string; readonly spanId: string; readonly sampled: boolean } | undefined => {
  if (typeof value !== "string") return undefined
  const match = /^00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$/.exec(value)
  if (match === null) return undefined
  const [, traceId, spanId, flags] = match as unknown as [string, string, string, string]
  if (/^0+$/.test(traceId) || /^0+$/.test(spanId)) return undefined
  return { traceId, spanId, sampled: (Number.parseInt(flags, 16) & 1) === 1 }
}

/** Formats a W3C traceparent. Returns none if the tracer's IDs are of another form. */
export const traceparentOf = (span: {
  readonly traceId: string
  readonly spanId: string
  readonly sampled: boolean
}): string | undefined => {
  const value = `00-${span.traceId}-${span.spanId}-${span.sampled ? "01" : "00"}`
  return parseTraceparent(value) === undefined ? undefined : value
}
