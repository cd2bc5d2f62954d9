// Sees that pnpm-lock.yaml holds every platform's binaries of the tools. pnpm leaves out without a word what the registry
// it resolved against does not serve, and who works on that platform then has no binary.
import { globSync, readFileSync } from "node:fs"

// `check:effect` is for CI and Linux; nothing that a newcomer runs needs it.
const known = new Set(["@effect/tsgo"])

const lock = readFileSync("pnpm-lock.yaml", "utf8")
let missing = 0
for (const file of globSync("node_modules/.pnpm/*/node_modules/{*,@*/*}/package.json")) {
  const { name, optionalDependencies = {}, version } = JSON.parse(readFileSync(file, "utf8"))
  for (const dependency of Object.keys(optionalDependencies)) {
    if (known.has(name) || lock.includes(`${dependency}@`)) continue
    console.error(`pnpm-lock.yaml: ${name}@${version} lacks its optional ${dependency}`)
    missing++
  }
}
process.exitCode = missing > 0 ? 1 : 0
