/** A website on this machine, whose pages link to each other and to other sites. It counts its visitors. */
import { once } from "node:events"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"

export interface Site {
  readonly origin: string
  readonly seen: { active: number; mostActive: number; served: number }
  /** The other sites that the first page links to. */
  readonly neighbors: Array<Site>
}

/** Starts a site of `pages` pages: page n links to the pages 2n and 2n + 1. */
export const openSite = async (pages: number): Promise<Site> => {
  const seen = { active: 0, mostActive: 0, served: 0 }
  const neighbors: Array<Site> = []

  const server = createServer((request, response) => {
    const page = Number(request.url!.slice(1))
    if (!Number.isInteger(page) || page < 1 || page > pages) return void response.writeHead(404).end()
    const links = [1, 2 * page, 2 * page + 1].filter((to) => to <= pages).map((to) => `/${to}`)
    if (page === 1) links.push(...neighbors.map((site) => `${site.origin}/1`))
    seen.mostActive = Math.max(seen.mostActive, ++seen.active)
    setTimeout(() => {
      seen.active--
      seen.served++
      response.writeHead(200, { "content-type": "text/html" })
      response.end(links.map((link) => `<a href="${link}">${link}</a>`).join("\n"))
    }, 5)
  })
  // Neither the server nor a connection without a request keeps the program alive.
  server.on("connection", (socket) => socket.unref())
  server.unref()
  server.listen(0, "127.0.0.1")
  await once(server, "listening")
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return { origin, seen, neighbors }
}
