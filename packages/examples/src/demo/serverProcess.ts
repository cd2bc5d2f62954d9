/**
 * The server's process, which the demo starts in a scope and which ends with that scope.
 */
import { fileURLToPath } from "node:url"
import * as CliError from "effect/cli/CliError"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as ChildProcess from "effect/process/ChildProcess"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"

/** The settings of the server. */
export interface ServerOptions {
  /** The folder whose files it serves. */
  readonly root: string
  /** Requests handled at once. */
  readonly limit: number
  /** Requests that may wait. */
  readonly backlog: number
  /** Milliseconds that each request keeps the disk busy, in addition to reading its file. */
  readonly cost: number
  /** Requests accepted in any second from one API key. Requests without a key have no such limit. */
  readonly rate: number
}

/** What the server counts about itself. */
export const ServerLoad = Schema.Struct({
  active: Schema.Int,
  mostActive: Schema.Int,
  served: Schema.Int,
  rejected: Schema.Int,
  /** Requests rejected by the rate limit, for each API key. */
  limited: Schema.Record(Schema.String, Schema.Int)
})
export type ServerLoad = typeof ServerLoad.Type

/** The server's process ended, or never became ready. */
export class ServerEnded extends Data.TaggedError("ServerEnded")<{ readonly why: string }> {
  override get message(): string {
    return `the file server ended: ${this.why}`
  }
  override readonly [CliError.userMessage] = this.message
}

/**
 * Starts the server in a child process that ends with the scope, and waits for its address. `ended` fails when the
 * process ends on its own.
 */
export const startServer = Effect.fnUntraced(function* ({ backlog, cost, limit, rate, root }: ServerOptions) {
  const program = fileURLToPath(new URL("server.ts", import.meta.url))
  const numbers = Object.entries({ limit, backlog, cost, rate }).flatMap(([flag, value]) => [`--${flag}`, `${value}`])
  const flags = ["--root", root, ...numbers]
  const server = yield* ChildProcess.make(process.execPath, [program, ...flags], {
    stderr: "inherit",
    forceKillAfter: "3 seconds"
  })
  const ended = Effect.flatMap(Effect.exit(server.exitCode), (exit) =>
    Effect.fail(new ServerEnded({ why: exit._tag === "Success" ? `exit code ${exit.value}` : "killed by a signal" }))
  )
  const firstLine = server.stdout.pipe(Stream.decodeText(), Stream.splitLines, Stream.runHead)
  const address = yield* Effect.raceFirst(Effect.map(firstLine, Option.getOrUndefined), ended)
  if (address === undefined) return yield* ended
  return { address, ended, pid: server.pid }
})
