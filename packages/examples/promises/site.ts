/**
 * A website with a limit: it serves up to `limit` requests at a time, and rejects more with 503.
 */
import { once } from "node:events"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"

export interface SiteOptions {
  /** The number of pages. Page n links to pages 2n and 2n + 1, and to page 1. */
  readonly pages: number
  /** The most requests at work at once. */
  readonly limit: number
  /** Milliseconds that a page takes. */
  readonly cost: number
}

export interface Site extends AsyncDisposable {
  readonly origin: string
  readonly load: { atWork: number; mostAtWork: number; served: number; refused: number }
}

export const openSite = async ({ cost, limit, pages }: SiteOptions): Promise<Site> => {
  const load = { atWork: 0, mostAtWork: 0, served: 0, refused: 0 }

  const bodyOf = (page: number): string => {
    const links = [1, 2 * page, 2 * page + 1].filter((to) => to <= pages)
    return `<title>Page ${page}</title>${links.map((to) => `<a href="/${to}">${to}</a>`).join("")}`
  }

  const server = createServer((request, response) => {
    const page = Number(request.url?.slice(1))
    if (!Number.isInteger(page) || page < 1 || page > pages) return void response.writeHead(404).end()
    if (load.atWork >= limit) {
      load.refused++
      return void response.writeHead(503).end()
    }
    load.mostAtWork = Math.max(load.mostAtWork, ++load.atWork)
    setTimeout(() => {
      load.atWork--
      load.served++
      response.end(bodyOf(page))
    }, cost)
  })
  server.listen(0, "127.0.0.1")
  await once(server, "listening")

  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    load,
    async [Symbol.asyncDispose]() {
      server.close()
      server.closeAllConnections()
      await once(server, "close")
    }
  }
}
