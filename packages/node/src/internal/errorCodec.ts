/**
 * Carries errors across threads whole. Structured clone alone loses the class's name, `code` and every other own
 * property, and the errors of an `AggregateError`.
 *
 * Read by both sides: imports nothing.
 */

/** An error, or whatever was thrown, as plain data. */
export type Encoded =
  | { readonly kind: "value"; readonly value: unknown }
  | { readonly kind: "seen"; readonly index: number }
  | { readonly kind: "array"; readonly items: ReadonlyArray<Encoded> }
  | {
      readonly kind: "error"
      readonly name: string
      readonly message: string
      readonly stack: string | undefined
      readonly own: ReadonlyArray<readonly [string, Encoded]>
    }

const limit = 16
const carried = ["name", "message", "stack"]
const inherited = ["_tag", "code"]

/** In the thread that threw. Never throws itself. */
export const encode = (thrown: unknown): Encoded => encodeAt(thrown, 0, [])

const encodeAt = (value: unknown, depth: number, seen: Array<unknown>): Encoded => {
  try {
    if (isError(value) && depth < limit) {
      const index = seen.indexOf(value)
      if (index >= 0) return { kind: "seen", index }
      seen.push(value)
      const own: Array<readonly [string, Encoded]> = []
      // What errors are caught by may be on the prototype: `_tag` of tagged errors, `code` of a DOMException.
      for (const key of new Set([...inherited, ...Object.getOwnPropertyNames(value)])) {
        if (key in value && !carried.includes(key)) own.push([key, encodeAt((value as any)[key], depth + 1, seen)])
      }
      const { message, name, stack } = value
      const text = typeof stack === "string" ? stack : undefined
      return { kind: "error", name, message, stack: text, own }
    }
    if (Array.isArray(value) && value.some(isError) && depth < limit) {
      return { kind: "array", items: value.map((item) => encodeAt(item, depth + 1, seen)) }
    }
    structuredClone(value)
    return { kind: "value", value }
  } catch {
    return { kind: "value", value: describe(value) }
  }
}

/** In the thread that waits. */
export const decode = (encoded: Encoded): unknown => decodeInto(encoded, [])

const decodeInto = (encoded: Encoded, seen: Array<unknown>): unknown => {
  if (encoded.kind === "value") return encoded.value
  if (encoded.kind === "seen") return seen[encoded.index]
  if (encoded.kind === "array") return encoded.items.map((item) => decodeInto(item, seen))
  const Class = classes[encoded.name] ?? Error
  const error: Error = Class === AggregateError ? new AggregateError([], encoded.message) : new Class(encoded.message)
  seen.push(error)
  const hidden = (key: string, value: unknown) =>
    Object.defineProperty(error, key, { value, configurable: true, writable: true, enumerable: false })
  if (error.name !== encoded.name) hidden("name", encoded.name)
  hidden("stack", encoded.stack)
  for (const [key, value] of encoded.own) {
    const own = decodeInto(value, seen)
    if (key === "cause" || key === "errors") hidden(key, own)
    else Object.defineProperty(error, key, { value: own, configurable: true, writable: true, enumerable: true })
  }
  return error
}

const classes: Record<string, new (message: string) => Error> = {
  AggregateError: AggregateError as never,
  EvalError,
  RangeError,
  ReferenceError,
  SyntaxError,
  TypeError,
  URIError
}

// Not `instanceof`: an error may come from another realm, such as `node:vm`.
const isError = (value: unknown): value is Error =>
  value instanceof Error || Object.prototype.toString.call(value) === "[object Error]"

const describe = (value: unknown): string => {
  try {
    return typeof value === "function" ? `function ${value.name}` : String(value)
  } catch {
    return Object.prototype.toString.call(value)
  }
}
