/**
 * The checks of arguments: each refuses at the call that gave the value, in one sentence that names the function, the
 * argument, the rule and the value.
 */
import * as Duration from "effect/Duration"
import { UnknownTaskWeight } from "../TaskPoolError.ts"

const shown = (value: unknown): string => (typeof value === "string" ? JSON.stringify(value) : String(value))

const refuse = (where: string, what: string, rule: string, value: unknown): never => {
  throw new RangeError(`${where}: ${what} must be ${rule}, got ${shown(value)}`)
}

/** A number of workers, or of places: an integer >= 0. */
export const checkCount = (where: string, what: string, value: number): number =>
  Number.isSafeInteger(value) && value >= 0 ? value : refuse(where, what, "an integer >= 0", value)

/** As `checkCount`, or `Infinity`. */
export const checkCapacity = (where: string, value: number): number =>
  value === Infinity || (Number.isSafeInteger(value) && value >= 0)
    ? value
    : refuse(where, "capacity", "an integer >= 0 or Infinity", value)

/** A change of size: a safe integer of either sign. */
export const checkDelta = (where: string, value: number): number =>
  Number.isSafeInteger(value) ? value : refuse(where, "delta", "a safe integer", value)

/** One of a few words. */
export const checkWord = <const A extends string>(where: string, what: string, words: ReadonlyArray<A>, value: A): A =>
  words.includes(value) ? value : refuse(where, what, words.map(shown).join(" or "), value)

/** A Duration of 0 or more. */
export const checkDuration = (where: string, what: string, value: Duration.Input): Duration.Duration => {
  const duration = Duration.fromInput(value)
  return duration._tag === "Some" && Duration.toMillis(duration.value) >= 0
    ? duration.value
    : refuse(where, what, "a Duration >= 0", value)
}

/** The larger end of a range must not be below the smaller. */
export const checkOrder = (where: string, low: readonly [string, number], high: readonly [string, number]): void => {
  if (low[1] > high[1]) refuse(where, high[0], `an integer >= ${low[0]}, which is ${low[1]}`, high[1])
}

/** A task's weight: a safe integer. */
export const checkWeight = (where: string, value: number): number => {
  if (Number.isSafeInteger(value)) return value
  throw new UnknownTaskWeight(`${where}: weight must be a safe integer, got ${shown(value)}`)
}
