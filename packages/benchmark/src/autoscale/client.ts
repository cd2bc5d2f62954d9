/** The server in a child process, and requests to it. */
import { spawn } from "node:child_process"
import { once } from "node:events"
import { Agent, get } from "node:http"
import { fileURLToPath } from "node:url"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"

/** The server rejected the request. */
export class Rejected extends Data.TaggedError("Rejected")<{ readonly status: number }> {}

export interface Server {
  /** Sends one request and returns the status of the response. */
  readonly request: (path: string) => Promise<number>
  /** The same as an effect, which fails with `Rejected`. */
  readonly call: Effect.Effect<void, Rejected>
}

/** A server that lives as long as the scope. */
export const startServer = Effect.gen(function* () {
  const child = yield* Effect.acquireRelease(
    Effect.sync(() =>
      spawn(process.execPath, [fileURLToPath(new URL("server.ts", import.meta.url))], {
        stdio: ["pipe", "pipe", "inherit"]
      })
    ),
    (child) =>
      Effect.promise(async () => {
        child.stdin.end()
        await once(child, "exit")
      })
  )
  const [line] = yield* Effect.promise(async () => once(child.stdout, "data"))
  const agent = yield* Effect.acquireRelease(
    Effect.sync(() => new Agent({ keepAlive: true, maxSockets: Infinity, maxFreeSockets: Infinity })),
    (agent) => Effect.sync(() => agent.destroy())
  )
  const port = Number(String(line))
  const request = async (path: string): Promise<number> =>
    new Promise((resolve, reject) => {
      get({ host: "127.0.0.1", port, path, agent }, (response) => {
        response.resume().on("end", () => resolve(response.statusCode ?? 0))
      }).on("error", reject)
    })
  const call = Effect.flatMap(
    Effect.promise(async () => request("/work")),
    (status) => (status === 200 ? Effect.void : Effect.fail(new Rejected({ status })))
  )
  return { request, call } satisfies Server
})
