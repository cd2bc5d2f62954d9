import { assert, describe, it } from "vitest"
import { spawn } from "node:child_process"
import { once } from "node:events"
import { fileURLToPath } from "node:url"

const program = fileURLToPath(new URL("./programs/sigterm.ts", import.meta.url))

/** What the program prints when it gets the signal as soon as its first task runs. */
const output = async (kind: string, onInterrupt: string): Promise<string> => {
  const child = spawn(process.execPath, [program, kind, onInterrupt], { stdio: ["ignore", "pipe", "inherit"] })
  let text = ""
  child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
    text += chunk
    if (chunk.includes("ready")) child.kill("SIGTERM")
  })
  await once(child, "close")
  return text.trim().split("\n").join(" ")
}

// A process and its signal: real time.
describe.each(["AioFixedTaskPoolSimple", "AioAutoScaleTaskPoolSimple"])("%s under runMain, on SIGTERM", (kind) => {
  it("drains the forked tasks, running and waiting, with onInterrupt: drain (load 9)", async () => {
    assert.strictEqual(await output(kind, "drain"), "ready done 1 done 2 done 3")
  })

  it("interrupts them by default (load 9)", async () => {
    assert.strictEqual(await output(kind, "interrupt"), "ready interrupted 1")
  })
})
