/** The task of the example: all processes import this module. */
import { DistributedTask, DistributedTaskPool } from "@aio-task-pool/distributed"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { createHash, pbkdf2 } from "node:crypto"
import { readFile } from "node:fs/promises"
import { promisify } from "node:util"

/** The pool that hashes files, on one machine or on many. */
export class Hashes extends DistributedTaskPool.Tag<Hashes>()("example/Hashes") {}

export class Unreadable extends Schema.TaggedError<Unreadable>()("Unreadable", { path: Schema.String }) {}

export const HashFile = DistributedTask.make("hash-file", {
  payload: Schema.Struct({ path: Schema.String }),
  success: Schema.Struct({
    sha256: Schema.String,
    /** A fingerprint that takes long on purpose. */
    slow: Schema.String,
    /** The process that did it. */
    by: Schema.Int,
    /** Whether another worker had lost the task before. */
    again: Schema.Boolean
  }),
  error: Unreadable
})

const derive = promisify(pbkdf2)

export const hashFile = HashFile.handle(({ path }, { stalls }) =>
  Effect.gen(function* () {
    const content = yield* Effect.tryPromise({ try: () => readFile(path), catch: () => new Unreadable({ path }) })
    const sha256 = sha256Of(content)
    // Runs on a thread of Node: a handler that blocked the event loop for the length of its lease would lose its task.
    const slow = yield* Effect.promise(() => derive(content, sha256, 50_000, 32, "sha256"))
    return { sha256, slow: slow.toString("hex"), by: process.pid, again: stalls > 0 }
  })
)

export const sha256Of = (content: Uint8Array): string => createHash("sha256").update(content).digest("hex")
