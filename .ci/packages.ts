// Keeps what all published packages say alike: an entry for each public module (a file of `src` with a capital), the
// compiled files that replace the entries when a package is published, and the address of the repository, which the
// root's package.json gives. Keeps the versions that the examples to copy name equal to those of this repository.
// `node .ci/packages.ts` checks, with `--write` it writes. With `--release` the address must be there: the registry
// compares it with the provenance, and resolves the links of each README by it.
import { globSync, readFileSync, writeFileSync } from "node:fs"
import { basename, dirname, join } from "node:path"

interface Manifest {
  readonly private?: boolean
  readonly name: string
  readonly version?: string
  readonly dependencies?: Record<string, string>
  readonly devDependencies?: Record<string, string>
  readonly exports?: Record<string, string>
  readonly publishConfig?: {
    readonly exports?: Record<string, unknown>
    readonly access?: string
    readonly provenance?: boolean
  }
  readonly repository?: unknown
  readonly homepage?: unknown
  readonly bugs?: unknown
}

const root = join(import.meta.dirname, "..")
const read = (file: string): Manifest => JSON.parse(readFileSync(file, "utf8"))
const { bugs, homepage, repository } = read(join(root, "package.json"))

/** Modules that a package has for its own tests. They are not published. */
const isPublished = (entry: string): boolean => !["./interrupting", "./kit", "./random", "./terminal"].includes(entry)

const compiled = (source: string): unknown => {
  if (!source.endsWith(".ts")) return source
  const file = source.replace("./src/", "./dist/").replace(/\.ts$/, "")
  return { types: `${file}.d.ts`, default: `${file}.js` }
}

const completed = (directory: string, manifest: Manifest): Manifest => {
  const modules = globSync("src/[A-Z]*.ts", { cwd: directory })
    .map((file) => basename(file, ".ts"))
    .sort()
  const others = Object.entries(manifest.exports ?? {}).filter(([entry]) => !/^\.\/[A-Z]/.test(entry))
  const last = others.filter(([entry]) => entry === "./package.json")
  const exports = Object.fromEntries([
    ...others.filter(([entry]) => entry === "."),
    ...modules.map((name): [string, string] => [`./${name}`, `./src/${name}.ts`]),
    ...others.filter(([entry]) => entry !== "." && entry !== "./package.json"),
    ...last
  ])
  const published = Object.entries(exports).filter(([entry]) => isPublished(entry))
  return {
    ...manifest,
    ...(repository === undefined
      ? {}
      : { repository: { ...(repository as object), directory: directory.slice(root.length + 1) } }),
    ...(homepage === undefined ? {} : { homepage }),
    ...(bugs === undefined ? {} : { bugs }),
    exports,
    publishConfig: {
      ...manifest.publishConfig,
      exports: Object.fromEntries(published.map(([entry, source]) => [entry, compiled(source)])),
      access: "public",
      provenance: true
    }
  }
}

const manifests = (pattern: string): ReadonlyArray<readonly [file: string, manifest: Manifest]> =>
  globSync(pattern, { cwd: root }).map((file) => [file, read(join(root, file))])

const published = manifests("packages/*/package.json").filter(([, manifest]) => manifest.private !== true)

/** The exact version of each package of this repository, and of each one in the catalog. */
const versions = new Map([
  ...Array.from(
    readFileSync(join(root, "pnpm-workspace.yaml"), "utf8").matchAll(/^ {2}"?([@\w/-]+)"?: (\d+\.\d+\.\d+)$/gm),
    ([, name, version]): [string, string] => [name!, version!]
  ),
  ...published.map(([, { name, version }]): [string, string] => [name, version!])
])

const withVersions = (manifest: Manifest): Manifest => {
  const update = (dependencies: Record<string, string> = {}) =>
    Object.fromEntries(Object.entries(dependencies).map(([name, version]) => [name, versions.get(name) ?? version]))
  return {
    ...manifest,
    dependencies: update(manifest.dependencies),
    devDependencies: update(manifest.devDependencies)
  }
}

let problems = 0
for (const [file, manifest, next] of [
  ...published.map(([file, manifest]) => [file, manifest, completed(join(root, dirname(file)), manifest)] as const),
  ...manifests("packages/examples/*/package.json").map(
    ([file, manifest]) => [file, manifest, withVersions(manifest)] as const
  )
]) {
  const text = `${JSON.stringify(next, undefined, 2)}\n`
  if (process.argv.includes("--write")) writeFileSync(join(root, file), text)
  else if (JSON.stringify(JSON.parse(text)) !== JSON.stringify(manifest)) {
    problems++
    console.error(`${file}: run 'node .ci/packages.ts --write'`)
  }
}
if (process.argv.includes("--release") && repository === undefined) {
  problems++
  console.error('package.json: "repository" is missing')
}
console.log(`packages: ${problems} problems`)
process.exitCode = problems > 0 ? 1 : 0
