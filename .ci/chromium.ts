// Installs Chromium from Debian's package, unless there is one. `CHROMIUM` names another one.
import { execFileSync } from "node:child_process"
import { existsSync } from "node:fs"

const chromium = process.env["CHROMIUM"] ?? "/usr/bin/chromium"

export const installChromium = (): void => {
  if (existsSync(chromium)) return
  const apt = (...args: ReadonlyArray<string>) => execFileSync("apt-get", args, { stdio: "ignore", timeout: 600_000 })
  apt("update")
  apt("install", "--yes", "--no-install-recommends", "chromium")
}
