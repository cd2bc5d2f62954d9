import { assert, describe, it } from "vitest"
import { execFile } from "node:child_process"
import { readdirSync, readFileSync } from "node:fs"
import { setImmediate as nextTurn } from "node:timers/promises"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import { crawl, main } from "../promises/main.ts"
import { openSite, type Site, type SiteOptions } from "../promises/site.ts"

const folder = fileURLToPath(new URL("../promises/", import.meta.url))

const withSite = async (options: SiteOptions, use: (site: Site) => Promise<void>): Promise<void> => {
  const site = await openSite(options)
  try {
    await use(site)
  } finally {
    await site[Symbol.asyncDispose]()
  }
}

const printed = /^100 pages, the last one is "Page \d+"\nat most [1-4] requests at once, 0 refused$/

// Sockets and a process: real time.
describe("the crawler of promises", () => {
  it("fetches every page once, within the limit of the site", () =>
    withSite({ pages: 31, limit: 3, cost: 0 }, async (site) => {
      const pages = await crawl(site.origin, "/1", { limit: 3, signal: AbortSignal.timeout(60_000) })
      assert.deepStrictEqual(
        pages.map(({ title }) => Number(title.slice("Page ".length))).sort((a, b) => a - b),
        Array.from({ length: 31 }, (_, i) => i + 1)
      )
      assert.deepInclude(site.load, { served: 31, refused: 0 })
      assert.isAtMost(site.load.mostAtWork, 3)
    }))

  it("fails with the error of a page, and leaves the rest", () =>
    withSite({ pages: 31, limit: 1, cost: 0 }, async (site) => {
      const error: unknown = await crawl(site.origin, "/99", {
        limit: 3,
        signal: AbortSignal.timeout(60_000)
      }).catch((reason: unknown) => reason)
      assert.propertyVal(error, "message", "/99: status 404")
    }))

  it("ends with the reason of its signal", () =>
    withSite({ pages: 1_000_000, limit: 2, cost: 0 }, async (site) => {
      const controller = new AbortController()
      const crawling = crawl(site.origin, "/1", { limit: 2, signal: controller.signal }).catch(
        (reason: unknown) => reason
      )
      while (site.load.served < 5) await nextTurn()
      controller.abort("enough")
      assert.strictEqual(await crawling, "enough")
    }))

  it("prints what it found", async () => {
    const lines: Array<string> = []
    await main((line) => lines.push(line))
    assert.match(lines.join("\n"), printed)
  })

  it("ends by itself when run by hand", async () => {
    const { stderr, stdout } = await promisify(execFile)(process.execPath, [`${folder}main.ts`])
    assert.match(stdout.trimEnd(), printed)
    assert.strictEqual(stderr, "")
  })

  it("imports nothing of effect", () => {
    const files = readdirSync(folder).filter((file) => file.endsWith(".ts"))
    assert.sameMembers(files, ["main.ts", "site.ts"])
    for (const file of files) assert.notMatch(readFileSync(folder + file, "utf8"), /from "effect/)
  })
})
