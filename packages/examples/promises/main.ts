/**
 * A crawler of promises: it follows the links of a site, and fetches no more pages at once than the site can handle.
 */
import { AioFixedTaskPoolSimple, PromisePool } from "@aio-task-pool/core"
import { openSite } from "./site.ts"

export interface Page {
  readonly path: string
  readonly title: string
  readonly links: ReadonlyArray<string>
}

const fetchPage = async (origin: string, path: string, signal: AbortSignal): Promise<Page> => {
  const response = await fetch(origin + path, { signal })
  if (!response.ok) throw new Error(`${path}: status ${response.status}`)
  const html = await response.text()
  const title = /<title>(.*?)<\/title>/.exec(html)?.[1] ?? ""
  return { path, title, links: Array.from(html.matchAll(/href="(.*?)"/g), ([, href]) => href!) }
}

/** All pages that links lead to, from `start` on. An abort of `signal` ends every request. */
export const crawl = async (
  origin: string,
  start: string,
  { limit, signal }: { readonly limit: number; readonly signal: AbortSignal }
): Promise<ReadonlyArray<Page>> => {
  const pool = await PromisePool.make(AioFixedTaskPoolSimple.layer(limit))
  const seen = new Set<string>()
  const pages: Array<Page> = []

  // The pool limits the requests. What waits for them are promises, as many as there are pages.
  const visit = async (path: string): Promise<void> => {
    if (seen.has(path)) return
    seen.add(path)
    const page = await pool.submit((task) => fetchPage(origin, path, task.signal), { signal })
    pages.push(page)
    await Promise.all(page.links.map(visit))
  }

  try {
    await visit(start)
    return pages
  } finally {
    await pool.close({ mode: "interrupt" })
  }
}

/** Crawls a site of this process, and prints what it found. */
export const main = async (print: (line: string) => void): Promise<void> => {
  const site = await openSite({ pages: 100, limit: 4, cost: 2 })
  try {
    const pages = await crawl(site.origin, "/1", { limit: 4, signal: AbortSignal.timeout(60_000) })
    print(`${pages.length} pages, the last one is "${pages.at(-1)!.title}"`)
    print(`at most ${site.load.mostAtWork} requests at once, ${site.load.refused} refused`)
  } finally {
    await site[Symbol.asyncDispose]()
  }
}

if (import.meta.main) await main(console.log)
