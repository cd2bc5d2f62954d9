// The packed dashboard serves its page, with the libraries that npm has installed beside it.
import { deepStrictEqual, strictEqual } from "node:assert"
import { AioFixedTaskPoolSimple, TaskPool } from "@aio-task-pool/core"
import { Dashboard, Protocol } from "@aio-task-pool/dashboard"
import { Effect, Layer, Schema } from "effect"

const program = Effect.gen(function* () {
  yield* TaskPool.submit(Effect.void)
  const address = yield* Dashboard.address
  for (const file of ["", "style.css", "app.js", "preact.js", "uplot.js", "uplot.css"]) {
    const { status } = yield* Effect.promise(() => fetch(`${address}/${file}`))
    strictEqual(status, 200, file)
  }
  const answer = yield* Effect.promise(async () => (await fetch(`${address}${Protocol.paths.pools}`)).json())
  return Schema.decodeUnknownSync(Protocol.Frame)(answer).pools.map(({ id, stats }) => [id, stats.succeeded])
})

const layer = Layer.provideMerge(AioFixedTaskPoolSimple.layer(1, { name: "db" }), Dashboard.layer({ port: 0 }))
deepStrictEqual(await Effect.runPromise(Effect.provide(program, layer)), [["db", 1]])
