/** The checks of options. Each throws in the call that passed them, with the function, the option, the rule and the value. */
import { format } from "effect/Formatter"

/** Checks that options are an object, and that all have known names. A misspelled one would be ignored silently. */
export const checkKnown = <A extends object>(where: string, options: A, known: ReadonlyArray<string>): A => {
  if (typeof options !== "object" || options === null) {
    throw new RangeError(`${where}: options must be an object, got ${format(options)}`)
  }
  for (const key of Object.keys(options)) {
    if (known.includes(key) || options[key as keyof A] === undefined) continue
    throw new TypeError(`${where}: unknown option ${format(key)} (known: ${known.join(", ")})`)
  }
  return options
}
