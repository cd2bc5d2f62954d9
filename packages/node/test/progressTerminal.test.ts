import { hasPseudoTerminals, runOnTerminal } from "@aio-task-pool/testing/terminal"
import { assert, describe, it } from "@effect/vitest"
import { spawn } from "node:child_process"
import { once } from "node:events"
import { fileURLToPath } from "node:url"

const program = fileURLToPath(new URL("./programs/progress.ts", import.meta.url))
const logs = Array.from({ length: 10 }, (_, n) => `${n % 2 === 0 ? "log" : "error"} ${n}`)

// Programs with terminals of their own: real time.
describe.skipIf(!hasPseudoTerminals)("a program on a pseudo terminal", () => {
  it("keeps its logs above the bars, and the last line", async () => {
    const { exited, lines, until, written } = await runOnTerminal([process.execPath, program])
    // The line of the pool comes with a tick, which may be late.
    const isShown = (line = "") => /^pool .* 2\/2 running/.test(line)
    const during = await until((lines) => isShown(lines.at(-1)) && lines.includes("log 2"))
    assert.match(during.at(-2)!, /^items +[█░]+ +\d+ % +\d of 10/)
    assert.match(during.at(-1)!, /^pool +[█░]+ .* 2\/2 running/)
    assert.strictEqual(await exited, 0)
    const [, ...shown] = await lines()
    assert.deepStrictEqual(shown.slice(0, 10).toSorted(), logs.toSorted())
    assert.match(shown[10]!, /^✓ items: 10 of 10 in \d\.\d s$/)
    assert.deepStrictEqual(shown.slice(11), ["the program has ended"])
    assert.include(written.join(""), "\u001B[32m✓")
  })

  it("says on Ctrl-C what was done", async () => {
    const { exited, lines, press, until } = await runOnTerminal([process.execPath, program, "forever"])
    await until((lines) => lines.some((line) => line.includes("9 of 10")))
    press("\u0003")
    assert.strictEqual(await exited, 0)
    const shown = (await lines()).slice(-2)
    assert.match(shown[0]!, /✗ items: interrupted at 9 of 10 after \d+\.?\d* s$/)
    assert.strictEqual(shown[1], "the program has ended")
  })

  it("leaves the bars and a usable terminal when it is killed", async () => {
    const { emulator, exited, kill, lines, until } = await runOnTerminal([process.execPath, program, "forever"])
    await until((lines) => lines.some((line) => line.includes("9 of 10")))
    kill("SIGKILL")
    assert.strictEqual(await exited, 137)
    assert.isTrue((await lines()).some((line) => line.includes("9 of 10")))
    assert.strictEqual(emulator.buffer.active.type, "normal")
  })

  it("loses no text when the program exits", async () => {
    const { exited, lines } = await runOnTerminal([process.execPath, program, "exit"])
    assert.strictEqual(await exited, 3)
    assert.strictEqual((await lines()).at(-1), "unfinished text")
  })

  it("redraws its bars when the terminal becomes narrow", async () => {
    const { exited, kill, lines, resize, until } = await runOnTerminal([process.execPath, program, "forever"])
    await until((lines) => lines.some((line) => line.includes("9 of 10")))
    await resize(40)
    const isNarrow = (line: string): boolean => /^items.* 9 of 10/.test(line) && line.length < 40
    const shown = await until((lines) => lines.some(isNarrow))
    assert.strictEqual(shown.filter((line) => line.startsWith("items")).length, 1)
    kill("SIGINT")
    await exited
    assert.strictEqual((await lines()).at(-1), "the program has ended")
  })

  it("has no colors with NO_COLOR", async () => {
    const { exited, lines, written } = await runOnTerminal([process.execPath, program], { env: { NO_COLOR: "1" } })
    assert.strictEqual(await exited, 0)
    assert.isTrue((await lines()).some((line) => line.startsWith("✓ items: 10 of 10")))
    // oxlint-disable-next-line no-control-regex
    assert.notMatch(written.join(""), /\u001B\[\d*m/)
  })

  it("writes plain lines if TERM is dumb", async () => {
    const { exited, lines, written } = await runOnTerminal([process.execPath, program], { env: { TERM: "dumb" } })
    assert.strictEqual(await exited, 0)
    assert.isTrue((await lines()).some((line) => line.startsWith("items: 10 of 10 in ")))
    assert.notInclude(written.join(""), "\u001B")
  })
})

describe("a program without a terminal", () => {
  it("writes a line at each quarter to stderr, and nothing to stdout", async () => {
    const child = spawn(process.execPath, [program], { stdio: ["ignore", "pipe", "pipe"] })
    const text = { stdout: "", stderr: "" }
    child.stdout.setEncoding("utf8").on("data", (chunk: string) => (text.stdout += chunk))
    child.stderr.setEncoding("utf8").on("data", (chunk: string) => (text.stderr += chunk))
    await once(child, "close")
    assert.strictEqual(text.stdout.trim().split("\n").length, 6)
    for (const character of ["\u001B", "\r"]) assert.notInclude(text.stderr + text.stdout, character)
    assert.match(text.stderr, /items: 10 of 10 in \d\.\d s\n$/)
  })

  it("is not harmed by a reader that goes away", async () => {
    const child = spawn(process.execPath, [program, "silent"], { stdio: ["ignore", "pipe", "pipe"] })
    // `console.error` would end the program.
    child.stderr.destroy()
    let stdout = ""
    child.stdout.setEncoding("utf8").on("data", (chunk: string) => (stdout += chunk))
    const [code] = (await once(child, "close")) as [number]
    assert.strictEqual(code, 0)
    assert.include(stdout, "the program has ended")
  })
})
