// Crawls three sites that link to each other: at most eight requests at once, and two for each site.
import { AioFixedTaskPoolSimple, TaskPool } from "@aio-task-pool/core"
import { Effect } from "effect"
import { openSite } from "./site.ts"

const sites = await Promise.all([openSite(120), openSite(40), openSite(5)])
for (const site of sites) site.neighbors.push(...sites.filter((other) => other !== site))

const seen = new Set<string>()
const failed: Array<string> = []

const linksOf = (url: string) =>
  Effect.tryPromise(async (signal) => {
    const response = await fetch(url, { signal })
    if (!response.ok) throw new Error(`status ${response.status}`)
    const html = await response.text()
    return Array.from(html.matchAll(/href="(.*?)"/g), ([, href]) => new URL(href!, url).href)
  }).pipe(Effect.timeout("10 seconds"))

/** Puts a page into the queue, unless it has been there. */
const visit = (url: string): Effect.Effect<void, never, TaskPool> => {
  if (seen.has(url)) return Effect.void
  seen.add(url)
  // Each site has turns of its own. While the queue is full, a page that found links waits here and lends its worker.
  return TaskPool.fork(crawl(url), { key: new URL(url).host }).pipe(Effect.asVoid, Effect.orDie)
}

const crawl = (url: string) =>
  linksOf(url).pipe(
    Effect.flatMap((links) => Effect.forEach(links, visit, { discard: true })),
    Effect.catch(() => Effect.sync(() => failed.push(url)))
  )

const program = Effect.gen(function* () {
  yield* visit(`${sites[0].origin}/1`)
  yield* TaskPool.awaitIdle
})

const pool = AioFixedTaskPoolSimple.layer(8, { perKey: 2, capacity: 50 })
await Effect.runPromise(Effect.provide(program, pool))
console.log(`${seen.size} pages, ${failed.length} failed`)
for (const [i, site] of sites.entries()) {
  console.log(`site ${i + 1}: ${site.seen.served} pages, at most ${site.seen.mostActive} at once`)
}
