/** Parses JSON of the broker, which may be anything. */
import * as Option from "effect/Option"

const parse = Option.liftThrowable((text: string): unknown => JSON.parse(text))

/** Returns the value, or `undefined` if the text is no JSON. */
export const parseJson = (text: string): unknown => Option.getOrUndefined(parse(text))
