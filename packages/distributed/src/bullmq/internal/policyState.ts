/**
 * The text of a sizing policy's state, which processes share through the broker.
 *
 * A state may have what JSON has, and also numbers that are not finite and fields that are `undefined`: the policies of the
 * core need both. Anything else would come back as something else, so it is refused.
 */
import { format } from "effect/Formatter"
import { parseJson } from "./json.ts"

/** The field that marks a number that is not finite. */
const mark = "$number"

/** Returns the text of a state. Throws `RangeError` if the state is not JSON. */
export const encodeState = (where: string, state: unknown): string => JSON.stringify(toJson(where, state, 0))

const toJson = (where: string, value: unknown, depth: number): unknown => {
  if (value === null || typeof value === "boolean" || typeof value === "string") return value
  if (typeof value === "number") return Number.isFinite(value) ? value : { [mark]: String(value) }
  if (depth < 32 && Array.isArray(value)) return value.map((each: unknown) => toJson(where, each, depth + 1))
  if (depth < 32 && isPlain(value) && !(mark in value)) {
    const fields = Object.entries(value).filter(([, each]) => each !== undefined)
    return Object.fromEntries(fields.map(([key, each]) => [key, toJson(where, each, depth + 1)]))
  }
  throw new RangeError(`${where}: the state of the policy must be JSON, got ${format(value).slice(0, 100)}`)
}

const isPlain = (value: unknown): value is object =>
  typeof value === "object" && value !== null && Object.getPrototypeOf(value) === Object.prototype

/** Returns the state of a text, or `undefined` if there is none. */
export const decodeState = (text: string | undefined): unknown =>
  text === undefined ? undefined : fromJson(parseJson(text))

const fromJson = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(fromJson)
  if (typeof value !== "object" || value === null) return value
  if (Object.hasOwn(value, mark)) return Number((value as { readonly [mark]: unknown })[mark])
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, fromJson(each)]))
}
