/**
 * The checks of arguments. Each throws in the call that passed the value. The message is one sentence with the function,
 * the argument, the rule and the value.
 */
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { format } from "effect/Formatter"
import * as Option from "effect/Option"
import { UnknownTaskWeight } from "../TaskPoolError.ts"

/**
 * The value in a message, which a large one does not fill: a payload in place of a task would be in every log. Names only
 * the type of a value whose own code throws when it is read.
 */
export const show = (value: unknown): string => {
  // A plain `try`: this runs getters and proxies of an unchecked value.
  try {
    // On Node 22 a promise shows the runtime's own fields.
    if (handlePromise(value)) return "a Promise"
    const text = format(briefly(value, 3))
    return text.length > 100 ? `${text.slice(0, 100)}…` : text
  } catch {
    return `an unreadable ${typeof value}`
  }
}

/**
 * Returns a copy with the first members of a value, at `levels` levels: formatting a large one takes seconds. A source of
 * items has none. It may be endless, and its items are made by the caller's code.
 */
const briefly = (value: any, levels: number): any => {
  // Other objects have a text of their own. That of an array has all members.
  const isPlain = value?.toString === Object.prototype.toString || value?.toString === Array.prototype.toString
  if (typeof value !== "object" || !isPlain) return value
  const isArray = Array.isArray(value)
  if (!isArray && Symbol.iterator in value) return { toString: () => Object.prototype.toString.call(value) }
  const copy = isArray ? [] : Object.create(Object.getPrototypeOf(value))
  for (const name of Object.keys(value).slice(0, levels > 0 ? 50 : 0)) copy[name] = briefly(value[name], levels - 1)
  return copy
}

/** Throws `RangeError`: a value of the right type breaks a rule. */
export const refuse = (where: string, what: string, rule: string, value: unknown): never => {
  throw new RangeError(`${where}: ${what} must be ${rule}, got ${show(value)}`)
}

/** Throws `TypeError`: a value has the wrong type. */
export const refuseType = (where: string, what: string, rule: string, value: unknown): never => {
  throw new TypeError(`${where}: ${what} must be ${rule}, got ${show(value)}`)
}

/** Checks a number of workers or of places: an integer >= 0. */
export const checkCount = (where: string, what: string, value: number): number =>
  Number.isSafeInteger(value) && value >= 0 ? value : refuse(where, what, "an integer >= 0", value)

/** Checks an integer above 0. */
export const checkPositive = (where: string, what: string, value: number): number =>
  Number.isSafeInteger(value) && value > 0 ? value : refuse(where, what, "an integer > 0", value)

/** Like `checkCount`, or `Infinity`. */
export const checkLimit = (where: string, what: string, value: number): number =>
  value === Infinity || (Number.isSafeInteger(value) && value >= 0)
    ? value
    : refuse(where, what, "an integer >= 0 or Infinity", value)

/** Like `checkPositive`, or `Infinity`. */
export const checkPositiveLimit = (where: string, what: string, value: number): number =>
  value === Infinity || (Number.isSafeInteger(value) && value > 0)
    ? value
    : refuse(where, what, "an integer > 0 or Infinity", value)

/** Checks a finite number by a rule. */
export const checkNumber = (
  where: string,
  what: string,
  rule: string,
  value: number,
  holds: (value: number) => boolean
): number => (Number.isFinite(value) && holds(value) ? value : refuse(where, what, rule, value))

/** Checks a size that is clamped later: any number. */
export const checkSize = (where: string, what: string, value: number): number =>
  isNumber(value) ? value : refuse(where, what, "a number", value)

/** Checks the key of a task. */
export const checkKey = (where: string, value: string | number): string | number =>
  typeof value === "string" || (typeof value === "number" && !Number.isNaN(value))
    ? value
    : refuseType(where, "key", "a string or a number", value)

/** Checks the label of a task. */
export const checkLabel = (where: string, value: string): string =>
  typeof value === "string" ? value : refuseType(where, "label", "a string", value)

/**
 * Checks the name of a pool or an executor. A name that was cut within a character cannot be part of an address, so the
 * rest of that character is replaced.
 */
export const checkName = (where: string, value: string): string =>
  typeof value === "string" ? value.replace(/\p{Surrogate}/gu, "\ufffd") : refuseType(where, "name", "a string", value)

/** Checks a function that the caller passes. */
export const checkFunction = <A>(where: string, what: string, value: A): A =>
  typeof value === "function" ? value : refuseType(where, what, "a function", value)

/** Checks the result of a caller's predicate. A promise or an effect would count as true, whatever its own result. */
export const checkAnswer = (where: string, what: string, answer: unknown): boolean => {
  if (typeof answer !== "object" || answer === null) return Boolean(answer)
  handlePromise(answer)
  throw new TypeError(`${where}: ${what} must return a boolean, got ${show(answer)}`)
}

/** Like `instanceof`; `false` for a proxy that does not let itself be looked at, such as a revoked one. */
export const isInstance = <A extends object>(value: unknown, of: abstract new (...args: any) => A): value is A => {
  // A plain `try`: callers are within a transition, and the value is what user code returned or failed with.
  try {
    return value instanceof of
  } catch {
    return false
  }
}

/** Returns whether the value is a promise. No code awaits it, so a later rejection must not end the process. */
export const handlePromise = (value: unknown): boolean => {
  if (!isInstance(value, Promise)) return false
  value.then(undefined, () => {})
  return true
}

/** Returns whether the value is an object of named values. A promise or a source of items would pass as an empty one. */
export const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" &&
  value !== null &&
  !(Symbol.iterator in value) &&
  !(Symbol.asyncIterator in value) &&
  !handlePromise(value)

/** Checks a boolean. A string such as `"false"` would count as true. */
export const checkBoolean = (where: string, what: string, value: boolean): boolean =>
  typeof value === "boolean" ? value : refuseType(where, what, "a boolean", value)

/** Checks an effect that an operation runs. The runtime ends a fiber that runs another value, without its finalizers. */
export const checkEffect = (where: string, value: unknown): void => {
  if (!Effect.isEffect(value)) refuseType(where, "effect", "an Effect", value)
}

/** Checks a sizing policy. */
export const checkPolicy = <A extends object>(where: string, value: A): A => {
  if (typeof value !== "object" || value === null) return refuseType(where, "policy", "an AutoScalePolicy", value)
  const { initial, name, update, window } = value as Partial<Record<"name" | "initial" | "window" | "update", unknown>>
  if (typeof name !== "string") refuseType(where, "policy.name", "a string", name)
  checkFunction(where, "policy.initial", initial)
  checkFunction(where, "policy.window", window)
  checkFunction(where, "policy.update", update)
  return value
}

/** Checks the tag that a layer provides. */
export const checkTag = <A>(where: string, value: A): A => {
  if (value === undefined || Context.isKey(value)) return value
  return refuseType(where, "tag", "a tag", value)
}

/** Checks a change of size: a safe integer of either sign. */
export const checkDelta = (where: string, value: number): number =>
  Number.isSafeInteger(value) ? value : refuse(where, "delta", "a safe integer", value)

/** Checks that the value is one of a few words. */
export const checkWord = <const A extends string>(where: string, what: string, words: ReadonlyArray<A>, value: A): A =>
  words.includes(value) ? value : refuse(where, what, words.map((word) => format(word)).join(" or "), value)

/** Checks a Duration: 0 or more, or above 0. */
export const checkDuration = (
  where: string,
  what: string,
  value: Duration.Input,
  rule: ">= 0" | "> 0" = ">= 0"
): Duration.Duration => {
  const duration = isAmount(value) ? Duration.fromInput(value) : Option.none()
  if (Option.isSome(duration)) {
    const millis = Duration.toMillis(duration.value)
    if (millis > 0 || (millis === 0 && rule === ">= 0")) return duration.value
  }
  return refuse(where, what, `a Duration ${rule}`, value)
}

const units = ["weeks", "days", "hours", "minutes", "seconds", "milliseconds", "microseconds", "nanoseconds"]
const isNumber = (value: unknown): boolean => typeof value === "number" && !Number.isNaN(value)

/**
 * Whether the value may be a Duration. `Duration` takes NaN for 0, and so an object without a unit that it knows: a
 * promise, or a misspelled unit.
 */
export const isAmount = (value: Duration.Input): boolean => {
  if (typeof value !== "object" || value === null || Duration.isDuration(value)) return !Number.isNaN(value)
  if (handlePromise(value)) return false
  if (Array.isArray(value)) return value.every(isNumber)
  // The units of a Duration of `Temporal` are in its prototype.
  const parts = units.map((unit) => (value as Record<string, unknown>)[unit]).filter((part) => part !== undefined)
  return parts.length > 0 && parts.every(isNumber) && Object.keys(value).every((key) => units.includes(key))
}

/** The options for which a task needs an object beside it. */
export const extraOptions = ["label", "key", "permits", "cost", "maxWait", "retry"] as const
/** The names of the options of every submission. */
export const submitOptions: ReadonlyArray<string> = ["weight", ...extraOptions]
/** The names of the options of a submitted function. */
export const taskOptions: ReadonlyArray<string> = [...submitOptions, "args"]

/** Like `taskOptions.includes(name)`, which would take a twenty-fifth of a task with options. */
const isTaskOption = (name: string): boolean =>
  name === "key" ||
  name === "maxWait" ||
  name === "cost" ||
  name === "weight" ||
  name === "label" ||
  name === "permits" ||
  name === "retry" ||
  name === "args"

/** Checks that options are an object. */
export const checkOptions = <A extends object>(where: string, value: A): A =>
  typeof value === "object" && value !== null ? value : refuse(where, "options", "an object", value)

/** Checks that the upper end of a range is not below the lower end. */
export const checkOrder = (where: string, low: readonly [string, number], high: readonly [string, number]): void => {
  if (low[1] > high[1]) refuse(where, high[0], `an integer >= ${low[0]}, which is ${low[1]}`, high[1])
}

/** Checks that all options have known names. Otherwise a misspelled option would be ignored silently. */
export const checkKnown = <A extends object>(where: string, options: A, known: ReadonlyArray<string>): A => {
  for (const key in checkOptions(where, options)) {
    if (known.includes(key) || !Object.hasOwn(options, key) || options[key] === undefined) continue
    throw new TypeError(`${where}: unknown option ${show(key)} (known: ${known.join(", ")})`)
  }
  return options
}

/** Checks the options of a task like `checkKnown`. Runs for each task with options. */
export const checkTaskOptions = <A extends object>(where: string, options: A): A => {
  for (const name in checkOptions(where, options)) if (!isTaskOption(name)) checkKnown(where, options, taskOptions)
  return options
}

/**
 * Checks options like `checkKnown`, and returns an object that a spread copies whole. A spread loses what an object
 * inherits, such as the getters of its class.
 */
export const checkOwn = <A extends object>(where: string, options: A, known: ReadonlyArray<string>): A => {
  checkKnown(where, options, known)
  if (Object.getPrototypeOf(options) === Object.prototype) return options
  return Object.fromEntries(known.map((name) => [name, options[name as keyof A]])) as A
}

/** Checks the arguments of a task's function, which are spread when it is called. */
export const checkArgs = (where: string, args: ReadonlyArray<unknown>): ReadonlyArray<unknown> =>
  Array.isArray(args) || (typeof args === "object" && args !== null && Symbol.iterator in args)
    ? args
    : refuseType(where, "args", "an array", args)

/** Checks a task's weight: a safe integer. */
export const checkWeight = (where: string, value: number): number => {
  if (Number.isSafeInteger(value)) return value
  throw new UnknownTaskWeight(`${where}: weight must be a safe integer, got ${show(value)}`)
}
