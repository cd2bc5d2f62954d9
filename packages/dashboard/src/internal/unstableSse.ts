/** As `unstable.ts`, for the terminal view, which loads no server. */
export * as Sse from "effect/encoding/Sse"
