// Fetches 100 pages with async functions only: no Effect in this program.
import { AioFixedTaskPoolSimple, NotAvailable, PromisePool } from "@aio-task-pool/core"
import { openApi } from "./servers/api.ts"

const api = await openApi({ limit: 6, answer: (url) => (url.pathname === "/page/42" ? 404 : url.pathname) })

const pool = await PromisePool.make(AioFixedTaskPoolSimple.layer(6, { capacity: 1000, onFull: "fail" }))

const getPage = async (page: number, signal: AbortSignal): Promise<string> => {
  // The pool's signal and a limit for this request: either ends it.
  const either = AbortSignal.any([signal, AbortSignal.timeout(10_000)])
  const response = await fetch(`${api.origin}/page/${page}`, { signal: either })
  if (!response.ok) throw new Error(`page ${page}: status ${response.status}`)
  return (await response.json()) as string
}

const user = new AbortController() // `user.abort()` ends all of it

const pages = Array.from({ length: 100 }, (_, page) => page)
const outcomes = await Promise.allSettled(
  pages.map((page) =>
    pool.submit(({ signal }) => getPage(page, signal), {
      signal: user.signal,
      retry: { times: 3, delay: (attempt) => 100 * 2 ** attempt, while: (error) => !String(error).includes("404") }
    })
  )
)
const { rejected } = await pool.stats()
await pool.close()

const late = await pool.submit(() => "too late").catch((error: unknown) => error)
const failures = outcomes.filter((outcome) => outcome.status === "rejected")
console.log(`${outcomes.length - failures.length} pages, at most ${api.seen.mostActive} at once, ${rejected} rejected`)
for (const { reason } of failures) console.log(String(reason))
console.log(late instanceof NotAvailable ? `after close: ${late.reason}` : late)
