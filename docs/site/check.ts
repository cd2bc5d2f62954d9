/** Checks that every link and every anchor of the built site leads somewhere on the site. */
import { existsSync, globSync, readFileSync } from "node:fs"
import { join, posix } from "node:path"

const attribute = /\s(?:href|src)="([^"]*)"/g
const id = /\sid="([^"]*)"/g

export const checkSite = (dist: string): void => {
  const pages = new Map<string, { readonly links: ReadonlyArray<string>; readonly ids: ReadonlySet<string> }>()
  for (const file of globSync("**/*.html", { cwd: dist })) {
    const html = readFileSync(join(dist, file), "utf8").replace(/<script[\s\S]*?<\/script>/g, "")
    const values = (pattern: RegExp) => [...html.matchAll(pattern)].map((match) => decode(match[1]!))
    pages.set(file, { links: values(attribute), ids: new Set(values(id)) })
  }
  const dead: Array<string> = []
  let count = 0
  for (const [file, { links }] of pages) {
    for (const link of links) {
      if (/^(https?:|mailto:|data:)/.test(link)) continue
      count++
      const [path = "", anchor = ""] = link.split("#")
      const absolute = path === "" ? file : posix.join(path.startsWith("/") ? "." : posix.dirname(file), path)
      const target = [absolute, `${absolute}.html`, posix.join(absolute, "index.html")].find(
        (each) => pages.has(each) || (existsSync(join(dist, each)) && !each.endsWith("/"))
      )
      if (target === undefined) dead.push(`${file}: ${link}`)
      else if (anchor !== "" && pages.has(target) && !pages.get(target)!.ids.has(decodeURIComponent(anchor))) {
        dead.push(`${file}: ${link} (no such anchor)`)
      }
    }
  }
  console.log(`${pages.size} pages, ${count} links, ${dead.length} dead`)
  if (dead.length > 0) throw new Error(`dead links:\n${dead.join("\n")}`)
}

const decode = (text: string): string =>
  text.replaceAll("&amp;", "&").replaceAll("&quot;", '"').replaceAll("&#39;", "'").replaceAll("&lt;", "<")
