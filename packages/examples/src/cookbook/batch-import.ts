// Imports 5,000 rows from an API into SQLite: pages are fetched four at a time, one transaction writes at a time.
import { AioFixedTaskPoolSimple, TaskPool } from "@aio-task-pool/core"
import { Data, Effect, Layer } from "effect"
import { DatabaseSync } from "node:sqlite"
import { openApi } from "./servers/api.ts"

// The amount of one row is missing, as it happens.
const api = await openApi({
  answer: (url) =>
    Array.from({ length: 500 }, (_, i) => Number(url.searchParams.get("page")) * 500 + i).map((id) => ({
      id,
      amount: id === 3210 ? null : id * 2
    }))
})

type Row = { readonly id: number; readonly amount: number | null }
class BadPage extends Data.TaggedError("BadPage")<{ readonly message: string }> {}

// One pool for each resource: the API allows four requests, SQLite one writer.
class Api extends TaskPool.Tag<Api>()("app/Api") {}
class Writer extends TaskPool.Tag<Writer>()("app/Writer") {}

const database = new DatabaseSync(":memory:")
database.exec("CREATE TABLE sale (id INTEGER PRIMARY KEY, amount INTEGER NOT NULL)")
const insert = database.prepare("INSERT INTO sale VALUES (?, ?)")

const fetchPage = (page: number) =>
  Effect.promise((signal) =>
    fetch(`${api.origin}/sales?page=${page}`, { signal }).then((response) => response.json() as Promise<Array<Row>>)
  )

// The transaction begins and ends inside the task. Interruption and failure roll it back before the next one begins.
const store = (page: number, rows: ReadonlyArray<Row>) =>
  Effect.acquireUseRelease(
    Effect.sync(() => database.exec("BEGIN")),
    () =>
      Effect.forEach(rows, ({ amount, id }) => Effect.try(() => insert.run(id, amount)), { discard: true }).pipe(
        Effect.mapError(({ cause }) => new BadPage({ message: `page ${page} was rolled back: ${String(cause)}` }))
      ),
    (_, exit) => Effect.sync(() => database.exec(exit._tag === "Success" ? "COMMIT" : "ROLLBACK"))
  )

const importPage = Effect.fnUntraced(function* (page: number) {
  const rows = yield* Api.submit(fetchPage(page))
  yield* Writer.submit(store(page, rows))
})

const pages = Array.from({ length: 10 }, (_, page) => page)
const program = Effect.partition(pages, importPage, { concurrency: 8 })
const pools = Layer.merge(
  AioFixedTaskPoolSimple.layer(4, { tag: Api }),
  AioFixedTaskPoolSimple.layer(1, { tag: Writer })
)
const [, bad] = await Effect.runPromise(Effect.provide(program, pools))
const { rows } = database.prepare("SELECT count(*) AS rows FROM sale").get()!
console.log(`${String(rows)} rows imported, at most ${api.seen.mostActive} requests at once`)
for (const error of bad) console.log(error.message)
