// Measures what each entry of the published packages adds to a bundle, minified and compressed, without its peers.
// `.ci/sizes.json` has the limits. `node .ci/sizes.ts` checks them, with `--write` it sets them 5 % above the present sizes.
import { globSync, readFileSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { gzipSync } from "node:zlib"
import { rolldown } from "rolldown"

const root = join(import.meta.dirname, "..")
const limitsFile = join(import.meta.dirname, "sizes.json")
const limits: Record<string, number> = JSON.parse(readFileSync(limitsFile, "utf8"))
const writes = process.argv.includes("--write")

/** Returns the compressed size in bytes. */
const sizeOf = async (file: string, isExternal: (id: string) => boolean): Promise<number> => {
  const bundle = await rolldown({ input: file, external: isExternal, logLevel: "silent", platform: "node" })
  const { output } = await bundle.generate({ format: "esm", minify: true })
  await bundle.close()
  return output.reduce((sum, chunk) => sum + ("code" in chunk ? gzipSync(chunk.code).length : 0), 0)
}

const sizes: Record<string, number> = {}
for (const manifestFile of globSync("packages/*/package.json", { cwd: root }).sort()) {
  const { exports, name, private: isPrivate } = JSON.parse(readFileSync(join(root, manifestFile), "utf8"))
  if (isPrivate === true) continue
  for (const [entry, source] of Object.entries<string>(exports)) {
    if (!source.endsWith(".ts") || /^\.\/(interrupting|kit|random|terminal)$/.test(entry)) continue
    const isPeer = (id: string): boolean => !/^[./]/.test(id) && !id.startsWith(root)
    sizes[join(name, entry)] = await sizeOf(join(root, dirname(manifestFile), source), isPeer)
  }
}
// The whole core with what it uses of Effect: the first pool of a program pays for this.
sizes["@aio-task-pool/core and effect"] = await sizeOf(join(root, "packages/core/src/index.ts"), (id) =>
  id.startsWith("node:")
)

let problems = 0
for (const [entry, size] of Object.entries(sizes)) {
  const limit = limits[entry]
  const isOver = !writes && (limit === undefined || size > limit)
  if (isOver) problems++
  const kilobytes = (size / 1000).toFixed(1).padStart(7)
  console.log(`${kilobytes} kB gzip  ${entry}${isOver ? `  is over its limit of ${(limit ?? 0) / 1000} kB` : ""}`)
}
if (writes) {
  const rounded = Object.entries(sizes).map(([entry, size]) => [entry, Math.ceil((size * 1.05) / 100) * 100])
  writeFileSync(limitsFile, `${JSON.stringify(Object.fromEntries(rounded), undefined, 2)}\n`)
}
process.exitCode = problems > 0 ? 1 : 0
