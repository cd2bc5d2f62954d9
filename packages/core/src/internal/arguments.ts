/**
 * The checks of arguments: each refuses at the call that gave the value, in one sentence that names the function, the
 * argument, the rule and the value.
 */
import * as Duration from "effect/Duration"
import { format } from "effect/Formatter"
import * as Option from "effect/Option"
import { UnknownTaskWeight } from "../TaskPoolError.ts"

const refuse = (where: string, what: string, rule: string, value: unknown): never => {
  throw new RangeError(`${where}: ${what} must be ${rule}, got ${format(value)}`)
}

/** A number of workers, or of places: an integer >= 0. */
export const checkCount = (where: string, what: string, value: number): number =>
  Number.isSafeInteger(value) && value >= 0 ? value : refuse(where, what, "an integer >= 0", value)

/** An integer above 0. */
export const checkPositive = (where: string, what: string, value: number): number =>
  Number.isSafeInteger(value) && value > 0 ? value : refuse(where, what, "an integer > 0", value)

/** As `checkCount`, or `Infinity`. */
export const checkLimit = (where: string, what: string, value: number): number =>
  value === Infinity || (Number.isSafeInteger(value) && value >= 0)
    ? value
    : refuse(where, what, "an integer >= 0 or Infinity", value)

/** As `checkPositive`, or `Infinity`. */
export const checkPositiveLimit = (where: string, what: string, value: number): number =>
  value === Infinity || (Number.isSafeInteger(value) && value > 0)
    ? value
    : refuse(where, what, "an integer > 0 or Infinity", value)

/** The workers that a task takes: an integer above 0. */
export const checkPermits = (where: string, value: number): number => checkPositive(where, "permits", value)

/** The key of a task. */
export const checkKey = (where: string, value: string | number): string | number => {
  if (typeof value === "string" || (typeof value === "number" && !Number.isNaN(value))) return value
  throw new TypeError(`${where}: key must be a string or a number, got ${format(value)}`)
}

/** The label of a task. */
export const checkLabel = (where: string, value: string): string => {
  if (typeof value === "string") return value
  throw new TypeError(`${where}: label must be a string, got ${format(value)}`)
}

/** A function of the caller's. */
export const checkFunction = <A>(where: string, what: string, value: A): A => {
  if (typeof value === "function") return value
  throw new TypeError(`${where}: ${what} must be a function, got ${format(value)}`)
}

/** What a predicate of the caller's has returned. A promise or an effect would count as true, whatever it comes to. */
export const checkAnswer = (where: string, what: string, answer: unknown): boolean => {
  if (typeof answer !== "object" || answer === null) return Boolean(answer)
  handlePromise(answer)
  throw new TypeError(`${where}: ${what} must return a boolean, got ${format(answer)}`)
}

/** Whether the value is a promise. Nobody will wait for it: if it rejects later, that must not end the process. */
export const handlePromise = (value: unknown): boolean => {
  if (!(value instanceof Promise)) return false
  value.then(undefined, () => {})
  return true
}

/** A change of size: a safe integer of either sign. */
export const checkDelta = (where: string, value: number): number =>
  Number.isSafeInteger(value) ? value : refuse(where, "delta", "a safe integer", value)

/** One of a few words. */
export const checkWord = <const A extends string>(where: string, what: string, words: ReadonlyArray<A>, value: A): A =>
  words.includes(value) ? value : refuse(where, what, words.map((word) => format(word)).join(" or "), value)

/** A Duration of 0 or more, or `above` it. */
export const checkDuration = (
  where: string,
  what: string,
  value: Duration.Input,
  rule: ">= 0" | "> 0" = ">= 0"
): Duration.Duration => {
  // A promise has no hours and no seconds, and would be a Duration of 0.
  const duration = Number.isNaN(value) || handlePromise(value) ? Option.none() : Duration.fromInput(value)
  if (Option.isSome(duration)) {
    const millis = Duration.toMillis(duration.value)
    if (millis > 0 || (millis === 0 && rule === ">= 0")) return duration.value
  }
  return refuse(where, what, `a Duration ${rule}`, value)
}

/** An options object. */
export const checkOptions = <A extends object>(where: string, value: A): A =>
  typeof value === "object" && value !== null ? value : refuse(where, "options", "an object", value)

/** The larger end of a range must not be below the smaller. */
export const checkOrder = (where: string, low: readonly [string, number], high: readonly [string, number]): void => {
  if (low[1] > high[1]) refuse(where, high[0], `an integer >= ${low[0]}, which is ${low[1]}`, high[1])
}

/** Options whose names are all known: a misspelt one would be ignored without a word. */
export const checkKnown = <A extends object>(where: string, options: A, known: ReadonlyArray<string>): A => {
  for (const key of Object.keys(checkOptions(where, options))) {
    if (known.includes(key) || (options as Record<string, unknown>)[key] === undefined) continue
    throw new TypeError(`${where}: unknown option ${format(key)} (known: ${known.join(", ")})`)
  }
  return options
}

/** The arguments of a task's function, to be spread when it is called. */
export const checkArgs = (where: string, args: ReadonlyArray<unknown>): ReadonlyArray<unknown> => {
  if (Array.isArray(args) || (typeof args === "object" && args !== null && Symbol.iterator in args)) return args
  throw new TypeError(`${where}: args must be an array, got ${format(args)}`)
}

/** A task's weight: a safe integer. */
export const checkWeight = (where: string, value: number): number => {
  if (Number.isSafeInteger(value)) return value
  throw new UnknownTaskWeight(`${where}: weight must be a safe integer, got ${format(value)}`)
}
