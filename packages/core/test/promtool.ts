/** Runs `promtool` of the Debian package `prometheus`. */
import { spawnSync } from "node:child_process"

const isMissing = spawnSync("promtool", ["--version"]).error !== undefined

if (isMissing) {
  const message = "promtool is missing (Debian package prometheus): metrics, alerts and rules are not checked with it"
  if (process.env["CI"] === "true") throw new Error(message)
  console.warn(message)
}

export const promtool = {
  isMissing,
  run: (args: ReadonlyArray<string>, input = "", cwd = process.cwd()) =>
    spawnSync("promtool", args, { input, cwd, encoding: "utf8" })
}
