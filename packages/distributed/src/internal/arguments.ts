/**
 * The checks of arguments. Each throws in the call that passed the value. The message is one sentence with the function,
 * the argument, the rule and the value.
 */
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import { format } from "effect/Formatter"
import { isLayer } from "effect/Layer"
import * as Option from "effect/Option"
import { isSchema } from "effect/Schema"
import type { Backoff, DistributedPoolOptions } from "../DistributedTaskPoolOptions.ts"
import type { WireBackoff } from "./wire.ts"

/** The largest weight. The engine has 2,097,152 priorities, of which one is taken. */
export const maxWeight = 2_097_150

/** The largest size of a pool. */
export const maxSize = 1_000_000

// Infinite timers fire at once on Node. 2^31 - 1 milliseconds are 24 days.
const maxMillis = 8_640_000_000_000

const refuse = (where: string, what: string, rule: string, value: unknown): never => {
  throw new RangeError(`${where}: ${what} must be ${rule}, got ${show(value)}`)
}

/** Like `instanceof`; `false` for a proxy that does not let itself be looked at, such as a revoked one. */
export const isInstance = <A extends object>(value: unknown, of: abstract new (...args: any) => A): value is A => {
  // A plain `try`: the value is what user code returned or passed.
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

/** The value in a message, which a long one does not fill. */
const show = (value: unknown): string => {
  // A plain `try`: this runs getters and proxies of an unchecked value.
  try {
    // On Node 22 a promise shows the runtime's own fields.
    if (handlePromise(value)) return "a Promise"
    // `format` would run a generator, which may be endless.
    if (typeof (value as any)?.next === "function") return "an iterator"
    const text = format(value)
    return text.length > 100 ? `${text.slice(0, 100)}…` : text
  } catch {
    return `an unreadable ${typeof value}`
  }
}

const checkInteger = (where: string, what: string, value: number, min: number, max: number): number =>
  Number.isSafeInteger(value) && value >= min && value <= max
    ? value
    : refuse(
        where,
        what,
        max === Number.MAX_SAFE_INTEGER ? `an integer >= ${min}` : `an integer from ${min} to ${max}`,
        value
      )

/** Checks an integer above 0. */
export const checkPositive = (where: string, what: string, value: number): number =>
  checkInteger(where, what, value, 1, Number.MAX_SAFE_INTEGER)

/** Checks the size of a pool. */
export const checkSize = (where: string, value: number, what = "size"): number =>
  checkInteger(where, what, value, 0, maxSize)

/** Checks a task's weight. */
export const checkWeight = (where: string, value: number): number => checkInteger(where, "weight", value, 0, maxWeight)

/** Checks a change of size: a safe integer of either sign. */
export const checkDelta = (where: string, value: number): number =>
  Number.isSafeInteger(value) ? value : refuse(where, "delta", "a safe integer", value)

/** Checks a Duration, which may be infinite. */
export const checkDuration = (where: string, what: string, value: Duration.Input): Duration.Duration =>
  durationOf(value, (millis) => millis >= 0) ?? refuse(where, what, "a Duration >= 0", value)

/** Checks a finite Duration, 0 or more or above 0, and returns its milliseconds, at least 1 if it is above 0. */
export const checkMillis = (where: string, what: string, value: Duration.Input, rule: ">= 0" | "> 0"): number => {
  const duration = durationOf(value, (millis) => (rule === "> 0" ? millis > 0 : millis >= 0) && millis <= maxMillis)
  return Math.ceil(Duration.toMillis(duration ?? refuse(where, what, `a finite Duration ${rule}`, value)))
}

/** Returns a Duration whose milliseconds are valid; `undefined` if the value is none. */
export const durationOf = (
  value: Duration.Input,
  isValid: (millis: number) => boolean = () => true
): Duration.Duration | undefined => {
  const duration = isAmount(value) ? Option.getOrUndefined(Duration.fromInput(value)) : undefined
  return duration !== undefined && isValid(Duration.toMillis(duration)) ? duration : undefined
}

/** `Duration` takes NaN, and an object without a unit that it knows, such as a promise, for 0. */
const isAmount = (value: Duration.Input): boolean => {
  if (typeof value !== "object" || value === null || Duration.isDuration(value)) return !Number.isNaN(value)
  if (Array.isArray(value)) return value.every(isNumber)
  // The units of a Duration of `Temporal` are in its prototype.
  const parts = units.map((unit) => (value as Record<string, unknown>)[unit]).filter((part) => part !== undefined)
  return parts.length > 0 && parts.every(isNumber) && Object.keys(value).every((key) => units.includes(key))
}

const units = ["weeks", "days", "hours", "minutes", "seconds", "milliseconds", "microseconds", "nanoseconds"]
const isNumber = (value: unknown): boolean => typeof value === "number" && !Number.isNaN(value)

/** Checks the time between attempts. */
export const checkBackoff = (where: string, value: Backoff): WireBackoff => {
  const known = checkKnown(`${where}: backoff`, value as object, ["fixed", "exponential"]) as {
    readonly fixed?: Duration.Input
    readonly exponential?: Duration.Input
  }
  const { exponential, fixed } = known
  if ((fixed === undefined) === (exponential === undefined)) {
    return refuse(where, "backoff", "either { fixed } or { exponential }", value)
  }
  return fixed === undefined
    ? { type: "exponential", delay: checkMillis(where, "backoff.exponential", exponential!, ">= 0") }
    : { type: "fixed", delay: checkMillis(where, "backoff.fixed", fixed, ">= 0") }
}

/** Checks a task's ID: any string of 1 to 256 characters. */
export const checkId = (where: string, value: string): string =>
  typeof value === "string" && value.length >= 1 && value.length <= 256
    ? value
    : refuse(where, "id", "a string of 1 to 256 characters", value)

/** Checks the name of a pool, which is part of the broker's keys. */
export const checkPoolName = (where: string, value: string): string =>
  typeof value === "string" && /^[A-Za-z0-9._-]{1,64}$/.test(value)
    ? value
    : refuse(where, "name", "1 to 64 characters of A-Z a-z 0-9 . _ -", value)

/** Checks the name of a task. */
export const checkTaskName = (where: string, value: string): string =>
  isTaskName(value) ? value : refuse(where, "name", "a string of 1 to 128 characters without control characters", value)

/** Whether the value may be the name of a task. */
export const isTaskName = (value: unknown): value is string =>
  // `C` has control characters and lone surrogates: names are printed, and travel as UTF-8.
  typeof value === "string" && /^\P{C}{1,128}$/u.test(value)

/** Checks a schema. */
export const checkSchema = <A>(where: string, what: string, value: A): A => {
  if (isSchema(value)) return value
  throw new TypeError(`${where}: ${what} must be a Schema, got ${show(value)}`)
}

/** Checks the layer of a pool. */
export const checkLayer = (where: string, value: unknown): void => {
  if (!isLayer(value)) throw new TypeError(`${where}: pool must be the layer of a TaskPool, got ${show(value)}`)
}

/** Checks a function that the caller passes. */
export const checkFunction = <A>(where: string, what: string, value: A): A => {
  if (typeof value === "function") return value
  throw new TypeError(`${where}: ${what} must be a function, got ${show(value)}`)
}

/** Checks the tag that a layer provides. */
export const checkTag = <A>(where: string, value: A): A => {
  if (value === undefined || Context.isKey(value)) return value
  throw new TypeError(`${where}: tag must be a tag, got ${show(value)}`)
}

/** Checks a sizing policy. */
export const checkPolicy = <A>(where: string, value: A): A => {
  if (typeof value !== "object" || value === null) {
    throw new TypeError(`${where}: policy must be an AutoScalePolicy, got ${show(value)}`)
  }
  const { initial, name, update, window } = value as Partial<Record<"name" | "initial" | "window" | "update", unknown>>
  if (typeof name !== "string") throw new TypeError(`${where}: policy.name must be a string, got ${show(name)}`)
  checkFunction(where, "policy.initial", initial)
  checkFunction(where, "policy.window", window)
  checkFunction(where, "policy.update", update)
  return value
}

/** Checks that the value is one of a few words. */
export const checkWord = <const A extends string>(where: string, what: string, words: ReadonlyArray<A>, value: A): A =>
  words.includes(value) ? value : refuse(where, what, words.map((word) => format(word)).join(" or "), value)

/** Checks that options are an object, and that all have known names. A misspelled one would be ignored silently. */
export const checkKnown = <A extends object>(where: string, options: A, known: ReadonlyArray<string>): A => {
  if (typeof options !== "object" || options === null) return refuse(where, "options", "an object", options)
  for (const key of Object.keys(options)) {
    if (known.includes(key) || options[key as keyof A] === undefined) continue
    throw new TypeError(`${where}: unknown option ${show(key)} (known: ${known.join(", ")})`)
  }
  return options
}

/** Checks a task. */
export const checkTask = <A extends { readonly name: string }>(where: string, value: A): A => {
  if (typeof value === "object" && value !== null && isTaskName(value.name) && "payload" in value) return value
  throw new TypeError(`${where}: task must be made by DistributedTask.make, got ${show(value)}`)
}

/** Checks the handlers of a worker, and returns them by the names of their tasks. */
export const checkHandlers = <A extends { readonly task: { readonly name: string }; readonly run: unknown }>(
  where: string,
  handlers: ReadonlyArray<A>
): ReadonlyMap<string, A> => {
  const byName = new Map<string, A>()
  if (!Array.isArray(handlers)) throw new TypeError(`${where}: handlers must be an array, got ${show(handlers)}`)
  for (const handler of handlers as ReadonlyArray<A>) {
    checkTask(where, handler?.task)
    checkFunction(where, "run", handler.run)
    const { name } = handler.task
    if (byName.has(name)) throw new TypeError(`${where}: two handlers for the task ${show(name)}`)
    byName.set(name, handler)
  }
  return byName
}

/** Checks the options that all distributed pools have. `known` are further names. */
export const checkPoolOptions = (
  where: string,
  options: DistributedPoolOptions,
  known: ReadonlyArray<string> = ["tag"]
) => {
  const names = ["name", "resultTtl", "sizeLimit", ...known]
  const { name, resultTtl = "1 hour", sizeLimit = 1_000_000 } = checkKnown(where, options, names)
  checkTag(where, (options as { readonly tag?: unknown }).tag)
  return {
    name: checkPoolName(where, name),
    resultTtl: checkMillis(where, "resultTtl", resultTtl, "> 0"),
    sizeLimit: checkPositive(where, "sizeLimit", sizeLimit)
  }
}
