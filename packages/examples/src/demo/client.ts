/**
 * The demo's client: fetches files over HTTP and checks what arrives. It has no limit of its own.
 */
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as Context from "effect/Context"
import * as Digest from "effect/crypto/Digest"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as HttpClient from "effect/http/HttpClient"
import type { HttpClientError } from "effect/http/HttpClientError"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as HttpClientResponse from "effect/http/HttpClientResponse"
import * as Layer from "effect/Layer"
import type { SourceFile } from "./files.ts"
import { ServerLoad } from "./serverProcess.ts"

/** The server responded with a status other than 200. */
export class Rejected extends Data.TaggedError("Rejected")<{
  readonly path: string
  readonly status: number
  /** When the server accepts the next request, in seconds. */
  readonly retryAfter?: number | undefined
}> {}

/** The body that arrived is not the file on disk. */
export class WrongBody extends Data.TaggedError("WrongBody")<{ readonly path: string; readonly bytes: number }> {}

export class FileClient extends Context.Service<
  FileClient,
  {
    /** Fetches one file and compares its SHA-256 with that of the file on disk. */
    readonly fetch: (file: SourceFile) => Effect.Effect<void, Rejected | WrongBody | HttpClientError>
    /** What the server counts about itself. */
    readonly load: Effect.Effect<ServerLoad>
  }
>()("@aio-task-pool/examples/demo/FileClient") {
  /** A client with its own connections, one for each concurrent request. It sends its API key, if it has one. */
  static readonly layer = (address: string, apiKey?: string) =>
    Layer.effect(
      FileClient,
      Effect.gen(function* () {
        const { digestHex } = yield* Digest.Digest
        const client = HttpClient.mapRequest(yield* HttpClient.HttpClient, (request) => {
          const addressed = HttpClientRequest.prependUrl(request, address)
          return apiKey === undefined ? addressed : HttpClientRequest.setHeader(addressed, "x-api-key", apiKey)
        })
        return {
          fetch: Effect.fnUntraced(function* (file) {
            const response = yield* client.get(`/files/${file.path}`)
            // The body of a rejection is read too: its connection would stay occupied otherwise.
            const body = new Uint8Array(yield* response.arrayBuffer)
            if (response.status !== 200) {
              const retryAfter = response.headers["retry-after"]
              return yield* new Rejected({
                path: file.path,
                status: response.status,
                retryAfter: retryAfter === undefined ? undefined : Number(retryAfter)
              })
            }
            const sha256 = yield* digestHex(Digest.sha256, body)
            if (sha256 !== file.sha256) return yield* new WrongBody({ path: file.path, bytes: body.length })
          }),
          load: client.get("/load").pipe(Effect.flatMap(HttpClientResponse.schemaBodyJson(ServerLoad)), Effect.orDie)
        }
      })
    ).pipe(Layer.provide(Layer.fresh(NodeHttpClient.layerUndici)))
}
