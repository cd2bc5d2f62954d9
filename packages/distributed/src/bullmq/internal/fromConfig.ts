/** Makes something of options that come from `Config`. */
import * as Config from "effect/Config"
import { SourceError } from "effect/ConfigProvider"
import * as Effect from "effect/Effect"

/**
 * Reads a configuration and makes something of its value. A wrong value in a configuration is not a bug of the program,
 * so it fails. A wrong argument throws.
 */
export const fromConfig = <A, B>(
  where: string,
  config: Config.Wrap<A>,
  make: (value: A) => B
): Effect.Effect<B, Config.ConfigError> =>
  Effect.flatMap(configOf(where, "config", config) as Config.Config<A>, (value) =>
    Effect.try({ try: () => make(value), catch: invalid })
  )

/** Like `Config.unwrap`, but checks what it takes, and leaves out what is `undefined`. */
const configOf = (where: string, what: string, wrapped: unknown): Config.Config<unknown> => {
  if (Config.isConfig(wrapped)) return wrapped
  if (!isRecord(wrapped)) {
    // Without the value, which may be a password.
    const got = wrapped === null ? "null" : typeof wrapped
    throw new TypeError(`${where}: ${what} must be a Config or a record of them, got ${got}`)
  }
  const parts = Object.entries(wrapped).filter(([, part]) => part !== undefined)
  return Config.all(Object.fromEntries(parts.map(([name, part]) => [name, configOf(where, `${what}.${name}`, part)])))
}

/** Returns whether a value is an object of named values. A `Redacted`, say, is none. */
const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> => {
  if (typeof value !== "object" || value === null) return false
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null
}

const invalid = (cause: unknown): Config.ConfigError =>
  new Config.ConfigError(new SourceError({ message: (cause as Error).message, cause }))
