/**
 * Copies errors between threads. Structured clone alone loses the class's name, `code` and every other own property,
 * and the errors of an `AggregateError`.
 *
 * Both sides load this module, so it imports nothing.
 */

/** An error, or another thrown value, as plain data. */
export type Encoded =
  | { readonly kind: "value"; readonly value: unknown }
  | { readonly kind: "seen"; readonly index: number }
  | { readonly kind: "array"; readonly items: ReadonlyArray<Encoded> }
  | {
      readonly kind: "error"
      readonly name: string
      readonly message: string
      readonly stack: string
      readonly own: ReadonlyArray<readonly [string, Encoded]>
    }

const limit = 16
const carried = ["name", "message", "stack"]
const inherited = ["_tag", "code"]

/**
 * Encodes a thrown value, in the thread that threw it. Never throws: if a getter or a trap of a proxy throws, only that
 * property is lost. The result is plain data, so copying it runs no user code.
 */
export const encode = (thrown: unknown): Encoded => encodeAt(thrown, 0, new Map())

/** The errors, and the arrays with errors, that were encoded so far, each with its index. */
type Seen = Map<unknown, number>

const encodeAt = (value: unknown, depth: number, seen: Seen): Encoded => {
  if (depth < limit) {
    const index = seen.get(value)
    if (index !== undefined) return { kind: "seen", index }
    if (isError(value)) return encodeError(value, depth, seen)
    const items = errorsIn(value)
    if (items !== undefined) {
      seen.set(value, seen.size)
      return { kind: "array", items: items.map((item) => encodeAt(item, depth + 1, seen)) }
    }
  }
  try {
    // The copy, not the value, because reading the value a second time may fail.
    return { kind: "value", value: structuredClone(value) }
  } catch {
    return { kind: "value", value: describe(value) }
  }
}

const encodeError = (error: Error, depth: number, seen: Seen): Encoded => {
  // The other side counts in this order, so nothing may throw after this line.
  seen.set(error, seen.size)
  const own: Array<readonly [string, Encoded]> = []
  // The properties by which callers tell errors apart may be inherited: `_tag` of tagged errors, `code` of a
  // DOMException.
  for (const key of new Set([...inherited, ...attempt(() => Object.getOwnPropertyNames(error), [])])) {
    if (carried.includes(key) || !attempt(() => key in error, false)) continue
    const property = attempt<{ readonly value: unknown } | undefined>(() => ({ value: (error as any)[key] }), undefined)
    own.push([key, property === undefined ? unreadable : encodeAt(property.value, depth + 1, seen)])
  }
  const text = (key: "name" | "message" | "stack", otherwise: string): string =>
    attempt(() => (typeof error[key] === "string" ? error[key] : otherwise), otherwise)
  return { kind: "error", name: text("name", "Error"), message: text("message", ""), stack: text("stack", ""), own }
}

const unreadable: Encoded = { kind: "value", value: "(cannot be read)" }

/** Decodes a thrown value, in the thread that waits for it. */
export const decode = (encoded: Encoded): unknown => decodeInto(encoded, [])

const decodeInto = (encoded: Encoded, seen: Array<unknown>): unknown => {
  if (encoded.kind === "value") return encoded.value
  if (encoded.kind === "seen") return seen[encoded.index]
  if (encoded.kind === "array") {
    const items: Array<unknown> = []
    seen.push(items)
    for (const item of encoded.items) items.push(decodeInto(item, seen))
    return items
  }
  const Class = Object.hasOwn(classes, encoded.name) ? classes[encoded.name]! : Error
  const error: Error = Class === AggregateError ? new AggregateError([], encoded.message) : new Class(encoded.message)
  seen.push(error)
  const hidden = (key: string, value: unknown) =>
    Object.defineProperty(error, key, { value, configurable: true, writable: true, enumerable: false })
  if (error.name !== encoded.name) hidden("name", encoded.name)
  if (encoded.stack !== "") hidden("stack", encoded.stack)
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

/** Returns the result of a function, or `otherwise` if it throws. */
const attempt = <A>(f: () => A, otherwise: A): A => {
  try {
    return f()
  } catch {
    return otherwise
  }
}

// `instanceof` alone fails for errors of another realm, such as `node:vm`.
const isError = (value: unknown): value is Error =>
  attempt(() => value instanceof Error || Object.prototype.toString.call(value) === "[object Error]", false)

/** Returns the elements of an array that contains errors; `undefined` for any other value. */
const errorsIn = (value: unknown): ReadonlyArray<unknown> | undefined =>
  attempt(() => {
    if (!Array.isArray(value)) return undefined
    const items: ReadonlyArray<unknown> = Array.from(value)
    return items.some(isError) ? items : undefined
  }, undefined)

const describe = (value: unknown): string =>
  attempt(
    () => (typeof value === "function" ? `function ${value.name}` : String(value)),
    `a value of type ${typeof value} that cannot be read`
  )
