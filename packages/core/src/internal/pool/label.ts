/** The names of tasks for people, worked out at a look. */
import * as Context from "effect/Context"
import * as Tracer from "effect/Tracer"
import type { Entry } from "./entry.ts"

const longestLabel = 80 // code points
// A longer name is cut here, so that a look never reads megabytes.
const longestName = 1000 // UTF-16 code units

// Control characters, line and paragraph separators, and the characters that change the direction of text.
const removed = /[\p{Cc}\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/u

// Most names. The span of each task has its label, and looking at each character would take longer than the task.
const printable = /^[ -~]*$/

/** Returns a name without control and bidirectional characters, well-formed, with at most 80 code points. */
export const cleanLabel = (name: string): string => {
  if (name.length <= longestLabel && printable.test(name)) return name
  let label = ""
  let length = 0
  for (const character of name.slice(0, longestName)) {
    if (removed.test(character)) continue
    // A half of a surrogate pair.
    label += /\p{Cs}/u.test(character) ? "\ufffd" : character
    if (++length === longestLabel) break
  }
  return label
}

/** The names of effects that stand for a function elsewhere, such as a job on a thread. */
const effectNames = new WeakMap<object, string>()

/** Gives an effect the name that a task of it has. */
export const nameEffect = (effect: object, name: string): void => void effectNames.set(effect, name)

/** The function of a bulk, for a function that a report lists for an item. */
export const functionOfItem = new WeakMap<object, unknown>()

/** Where a class of effects that stand for a function has the name of the function, which may be user code. */
export const functionName = Symbol("functionName")

/** Returns the name of an effect; `undefined` if it has none. */
export const nameOfEffect = (effect: object): unknown =>
  effectNames.get(effect) ?? (effect as { readonly [functionName]?: unknown })[functionName]

/** Returns the label of a task: the option, the function's name, the name of the nearest span, or `task`. */
export const labelOf = (entry: Entry): string =>
  named(optionOf, entry) ?? named(functionNameOf, entry) ?? named(spanNameOf, entry) ?? "task"

/** Names of functions and spans are user code: getters, and proxies of functions. */
const named = (nameOf: (entry: Entry) => unknown, entry: Entry): string | undefined => {
  try {
    const name = nameOf(entry)
    if (typeof name !== "string") return undefined
    const label = cleanLabel(name)
    return label === "" ? undefined : label
  } catch {
    return undefined
  }
}

const optionOf = (entry: Entry): unknown => entry.extra?.options.label
const functionNameOf = (entry: Entry): unknown => entry.functionName
const spanNameOf = (entry: Entry): unknown => {
  const span = spanOf(entry)
  return span?._tag === "Span" ? span.name : undefined
}

/** Returns the ID of the span of a task, or of its submitter's. */
export const spanIdOf = (entry: Entry): string | undefined => named(ownSpanIdOf, entry)

const ownSpanIdOf = (entry: Entry): unknown => (entry.trace?.span ?? spanOf(entry))?.spanId

const spanOf = ({ context }: Entry): Tracer.AnySpan | undefined =>
  context === undefined ? undefined : Context.getOrUndefined(context, Tracer.ParentSpan)
