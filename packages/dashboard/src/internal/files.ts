/** The files of the page: our own ones, and the two libraries as their packages ship them. */
import * as Effect from "effect/Effect"
import { promises } from "node:fs"

const own = (name: string): URL => new URL(`../../page/${name}`, import.meta.url)
const library = (specifier: string): URL => new URL(import.meta.resolve(specifier))

const script = "text/javascript; charset=utf-8"
const style = "text/css; charset=utf-8"

const sources: ReadonlyArray<readonly [path: `/${string}`, type: string, url: () => URL]> = [
  ["/", "text/html; charset=utf-8", () => own("index.html")],
  ["/style.css", style, () => own("style.css")],
  ...["app", "connection", "curves", "format", "overview", "pool", "parts"].map(
    (name) => [`/${name}.js`, script, () => own(`${name}.js`)] as const
  ),
  ["/preact.js", script, () => library("preact")],
  ["/uplot.js", script, () => library("uplot/dist/uPlot.iife.min.js")],
  ["/uplot.css", style, () => library("uplot/dist/uPlot.min.css")]
]

/** A line that is nothing but a comment, or a part of one. */
const comment = /^(?:\/\/.*|\/\*(?:(?!\*\/).)*(?:\*\/)?|\*[ /].*)$/

/**
 * Returns our own file without indentation and lines of comment, which are a quarter of it. No text of the page spans
 * lines, so nothing else changes.
 */
const compact = (source: Uint8Array): Uint8Array =>
  Buffer.from(
    Buffer.from(source)
      .toString()
      .split("\n")
      .map((line) => line.trimStart())
      .filter((line) => line !== "" && !comment.test(line))
      .join("\n")
  )

export interface PageFile {
  readonly path: `/${string}`
  readonly type: string
  readonly body: Uint8Array
}

/** Reads all files. Dies if one is missing: the package, or a bundle of it, is not complete. */
export const readPage: Effect.Effect<ReadonlyArray<PageFile>> = Effect.forEach(
  sources,
  ([path, type, url]) =>
    Effect.map(
      Effect.promise(() => promises.readFile(url())),
      (body): PageFile => ({ path, type, body: url().href.includes("/page/") ? compact(body) : body })
    ),
  { concurrency: "unbounded" }
)
