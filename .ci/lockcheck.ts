// Checks that pnpm-lock.yaml lists the binaries of all tools for every platform. pnpm silently omits binaries that its
// registry does not serve, and contributors on that platform then have no binary.
import { globSync, readFileSync } from "node:fs"

// Only `check:effect` needs it, which runs on Linux and in CI.
const known = new Set(["@effect/tsgo"])

const lock = readFileSync("pnpm-lock.yaml", "utf8")
let missing = 0
for (const file of globSync("node_modules/.pnpm/*/node_modules/{*,@*/*}/package.json")) {
  const { name, optionalDependencies = {}, version } = JSON.parse(readFileSync(file, "utf8"))
  for (const dependency of Object.keys(optionalDependencies)) {
    if (known.has(name) || lock.includes(`${dependency}@`)) continue
    console.error(`pnpm-lock.yaml: ${name}@${version} lacks its optional dependency ${dependency}`)
    missing++
  }
}
process.exitCode = missing > 0 ? 1 : 0
