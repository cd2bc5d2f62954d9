/** Makes something of options that come from `Config`. */
import * as Config from "effect/Config"
import { SourceError } from "effect/ConfigProvider"
import * as Effect from "effect/Effect"

/** A wrong value in a configuration is not a bug of the program, so it fails. A wrong argument throws. */
export const fromConfig = <A, B>(config: Config.Wrap<A>, make: (value: A) => B): Effect.Effect<B, Config.ConfigError> =>
  Effect.flatMap(Config.unwrap(config), (value) => Effect.try({ try: () => make(value), catch: invalid }))

const invalid = (cause: unknown): Config.ConfigError =>
  new Config.ConfigError(new SourceError({ message: (cause as Error).message, cause }))
