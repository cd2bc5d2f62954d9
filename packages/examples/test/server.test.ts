import * as NodeCrypto from "@effect/platform-node/NodeCrypto"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import { Effect, FileSystem, Layer, Path } from "effect"
import { FileClient } from "../src/demo/client.ts"
import { readFiles } from "../src/demo/files.ts"
import { startServer } from "../src/demo/serverProcess.ts"

const layer = Layer.merge(NodeServices.layer, NodeCrypto.layerDigest)

interface Limits {
  readonly limit: number
  readonly backlog: number
  readonly cost: number
  readonly rate?: number
}

/** A folder with `count` files, and a server for it. */
const setUp = Effect.fnUntraced(function* (count: number, limits: Limits) {
  const fileSystem = yield* FileSystem.FileSystem
  const { join } = yield* Path.Path
  const root = yield* fileSystem.makeTempDirectoryScoped()
  for (let i = 0; i < count; i++) yield* fileSystem.writeFileString(join(root, `${i}.ts`), `file ${i}\n`.repeat(1 + i))
  const server = yield* startServer({ root, rate: 100, ...limits })
  const client = (apiKey?: string) =>
    Effect.map(Layer.build(FileClient.layer(server.address, apiKey)), (context) =>
      FileClient.pipe(Effect.provide(context), Effect.runSync)
    )
  const { fetch, load } = yield* client()
  return { files: yield* readFiles(root, count), root, server, fetch, load, client }
})

// Real processes and sockets: real time.
describe("the demo's server and client", () => {
  it.live("the server runs at most its limit and rejects requests beyond its backlog", () =>
    Effect.gen(function* () {
      const { fetch, files, load } = yield* setUp(20, { limit: 3, backlog: 2, cost: 1000 })
      const answers = yield* Effect.forEach(files, (file) => Effect.result(fetch(file)), { concurrency: "unbounded" })
      const errors = answers.flatMap((answer) => (answer._tag === "Failure" ? [answer.failure] : []))
      for (const error of errors) assert.isTrue(error._tag === "Rejected" && error.status === 503)
      // 5 that come at once are served; more only if this machine needed a second to send 20 requests.
      assert.isAtMost(errors.length, 15)
      assert.isAbove(errors.length, 0)
      const [served, rejected] = [20 - errors.length, errors.length]
      assert.deepStrictEqual(yield* load, { active: 0, mostActive: 3, served, rejected, limited: {} })
    }).pipe(Effect.scoped, Effect.provide(layer))
  )

  it.live("the server has a rate limit for each API key, and says when it accepts the next request", () =>
    Effect.gen(function* () {
      const { client, fetch, files, load } = yield* setUp(30, { limit: 30, backlog: 30, cost: 0, rate: 2 })
      const [ada, bob] = [yield* client("ada"), yield* client("bob")]
      // Several seconds would have to pass until all 30 are accepted.
      const answers = yield* Effect.forEach(files, (file) => Effect.result(ada.fetch(file)), {
        concurrency: "unbounded"
      })
      const errors = answers.flatMap((answer) => (answer._tag === "Failure" ? [answer.failure] : []))
      assert.isAbove(errors.length, 0)
      for (const error of errors) {
        assert.isTrue(error._tag === "Rejected" && error.status === 429 && error.retryAfter === 1)
      }
      // Another key and requests without one have their own limit, or none.
      yield* bob.fetch(files[0]!)
      yield* Effect.forEach(files, (file) => fetch(file), { concurrency: "unbounded", discard: true })
      const { limited, rejected } = yield* load
      assert.deepStrictEqual({ limited, rejected }, { limited: { ada: errors.length }, rejected: 0 })
    }).pipe(Effect.scoped, Effect.provide(layer))
  )

  it.live("the client detects a body that differs from the file", () =>
    Effect.gen(function* () {
      const { fetch, files, root } = yield* setUp(1, { limit: 1, backlog: 1, cost: 0 })
      const file = files[0]!
      yield* fetch(file)
      const fileSystem = yield* FileSystem.FileSystem
      yield* fileSystem.writeFileString((yield* Path.Path).join(root, file.path), "file 1\n")
      assert.strictEqual((yield* Effect.flip(fetch(file)))._tag, "WrongBody")
    }).pipe(Effect.scoped, Effect.provide(layer))
  )

  it.live("only the files of the folder are served", () =>
    Effect.gen(function* () {
      const { fetch, files } = yield* setUp(1, { limit: 1, backlog: 1, cost: 0 })
      for (const path of ["1.ts", "..%2F..%2Fetc%2Fpasswd", "%2Fetc%2Fpasswd"]) {
        const error = yield* Effect.flip(fetch({ ...files[0]!, path }))
        assert.isTrue(error._tag === "Rejected" && error.status === 404, path)
      }
    }).pipe(Effect.scoped, Effect.provide(layer))
  )

  it.live("a server that ends on its own is reported", () =>
    Effect.gen(function* () {
      const { server } = yield* setUp(1, { limit: 1, backlog: 1, cost: 0 })
      yield* Effect.sync(() => process.kill(server.pid, "SIGKILL"))
      const { message } = yield* Effect.flip(server.ended)
      assert.strictEqual(message, "the file server ended: killed by a signal")
    }).pipe(Effect.scoped, Effect.provide(layer))
  )
})
