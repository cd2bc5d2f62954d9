// 500 callers ask for ten pages, many of them at the same time. Each page is fetched once.
import { AioFixedTaskPoolSimple, TaskPool } from "@aio-task-pool/core"
import { Cache, Effect, Exit } from "effect"
import { openApi } from "./servers/api.ts"

const api = await openApi({ answer: (url) => (url.pathname === "/page/9" ? 500 : `text of ${url.pathname}`) })

const getPage = (path: string) =>
  Effect.tryPromise(async (signal) => {
    const response = await fetch(api.origin + path, { signal })
    if (!response.ok) throw new Error(`${path}: status ${response.status}`)
    return response.json() as Promise<string>
  })

const program = Effect.gen(function* () {
  const pages = yield* Cache.makeWith((path: string) => TaskPool.submit(getPage(path)), {
    capacity: 1000,
    // A page is kept for a minute. A failure is shared by the callers that wait for it, and then forgotten.
    timeToLive: (exit) => (Exit.isSuccess(exit) ? "1 minute" : 0)
  })
  const callers = Array.from({ length: 500 }, (_, i) => Effect.exit(Cache.get(pages, `/page/${i % 10}`)))
  const exits = yield* Effect.all(callers, { concurrency: "unbounded" })
  const { submitted } = yield* TaskPool.stats
  const answered = exits.filter(Exit.isSuccess).length
  console.log(`${answered} callers have their page, ${exits.length - answered} got the failure of page 9`)
  console.log(`${submitted} tasks, ${api.seen.served} pages served, at most ${api.seen.mostActive} at once`)
})

await Effect.runPromise(Effect.provide(program, AioFixedTaskPoolSimple.layer(3)))
