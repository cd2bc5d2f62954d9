// Checks what a user gets from the registry, in the packed packages: that each has a README and a license and no tests,
// that every entry and every file that a source map names is there, and that every import is one of its own files or of a
// package that its manifest names.
//
//   node .ci/tarballs.ts <directory of tarballs>
import { execFileSync } from "node:child_process"
import { existsSync, globSync, mkdtempSync, readFileSync, rmSync } from "node:fs"
import { builtinModules } from "node:module"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"

const [packed] = process.argv.slice(2)
if (packed === undefined) throw new Error("node .ci/tarballs.ts <directory of tarballs>")

const statement = /^\s*(?:import|export)\b(?:[^"';]*?\bfrom)?\s*"([^"]+)"|\bimport\(\s*"([^"]+)"\s*\)/gm
const comment = /\/\*[\s\S]*?\*\//g

/** The name of the package that an import names. */
const packageOf = (specifier: string): string => /^(?:@[^/]+\/)?[^/]+/.exec(specifier)![0]

const isBuiltin = (specifier: string): boolean =>
  specifier.startsWith("node:") || builtinModules.includes(packageOf(specifier))

/** What is wrong with an unpacked package. */
const problemsOf = (folder: string): ReadonlyArray<string> => {
  const problems: Array<string> = []
  const files = globSync("**/*", { cwd: folder, withFileTypes: false }).map((file) => file.replaceAll("\\", "/"))
  const text = (file: string): string => readFileSync(join(folder, file), "utf8")
  const manifest = JSON.parse(text("package.json"))

  for (const file of ["README.md", "LICENSE"]) if (!files.includes(file)) problems.push(`${file} is missing`)
  for (const file of files) {
    if (/(?:^|\/)(?:test|node_modules)(?:\/|$)|\.(?:test|proof|browser)\.|\.tsbuildinfo$/.test(file))
      problems.push(`${file} is for the workspace only`)
  }
  for (const range of /"(?:workspace|catalog):[^"]*"/g[Symbol.match](text("package.json")) ?? [])
    problems.push(`package.json has the range ${range}`)

  const targets = (value: unknown): ReadonlyArray<string> =>
    typeof value === "string" ? [value] : Object.values(value ?? {}).flatMap(targets)
  for (const target of [...targets(manifest.exports), ...targets(manifest.bin)]) {
    if (!existsSync(join(folder, target))) problems.push(`package.json names ${target}, which is missing`)
  }

  const allowed = new Set([manifest.name, ...Object.keys({ ...manifest.dependencies, ...manifest.peerDependencies })])
  for (const file of files) {
    if (/\.js\.map$|\.ts\.map$/.test(file)) {
      const { sources, sourcesContent } = JSON.parse(text(file))
      for (const [i, source] of sources.entries()) {
        if (typeof sourcesContent?.[i] !== "string" && !existsSync(join(folder, dirname(file), source)))
          problems.push(`${file} names ${source}, which is missing`)
      }
    } else if (/^dist\/.*\.(?:js|d\.ts)$/.test(file)) {
      for (const [, from, dynamic] of text(file).replaceAll(comment, "").matchAll(statement)) {
        const specifier = from ?? dynamic!
        if (specifier.startsWith(".")) {
          // The compiler keeps the name of the source in declarations, and finds the declarations by it.
          const target = file.endsWith(".d.ts") ? specifier.replace(/(?<!\.d)\.ts$/, ".d.ts") : specifier
          if (!existsSync(join(folder, dirname(file), target)))
            problems.push(`${file} imports ${specifier}, which is missing`)
        } else if (!isBuiltin(specifier) && !allowed.has(packageOf(specifier)))
          problems.push(`${file} imports ${specifier}, which package.json does not name`)
      }
    }
  }
  return problems
}

let failed = 0
const tarballs = globSync("*.tgz", { cwd: packed }).sort()
if (tarballs.length === 0) throw new Error(`${packed} has no tarballs`)
for (const tarball of tarballs) {
  const folder = mkdtempSync(join(tmpdir(), "tarball-"))
  try {
    execFileSync("tar", ["xzf", join(packed, tarball), "-C", folder, "--strip-components", "1"])
    const problems = problemsOf(folder)
    failed += problems.length
    for (const problem of problems) console.error(`${tarball}: ${problem}`)
  } finally {
    rmSync(folder, { recursive: true })
  }
}
console.log(`tarballs: ${tarballs.length}, ${failed} problems`)
process.exitCode = failed > 0 ? 1 : 0
