/** The program `aio-task-pool`, on a pseudo terminal and without one. */
import { runOnTerminal } from "@aio-task-pool/testing/terminal"
import * as Effect from "effect/Effect"
import { spawn } from "node:child_process"
import { once } from "node:events"
import { Writable } from "node:stream"
import { fileURLToPath } from "node:url"
import { main } from "../../src/top/main.ts"

const program = fileURLToPath(new URL("../../src/bin.ts", import.meta.url))

/** Starts `top` on a terminal, and waits for its table. */
export const startTop = async (
  args: ReadonlyArray<string>,
  options: NonNullable<Parameters<typeof runOnTerminal>[1]> & { readonly node?: ReadonlyArray<string> } = {}
) => {
  const top = await runOnTerminal([process.execPath, ...(options.node ?? []), program, "top", ...args], options)
  await top.until((lines) => lines[0]?.startsWith("Task pools") === true && lines[0].endsWith("live"))
  return top
}

/** Runs the program to its end without a terminal. */
export const run = async (...args: ReadonlyArray<string>) => {
  const child = spawn(process.execPath, [program, ...args], { stdio: ["ignore", "pipe", "pipe"] })
  const text = { stdout: "", stderr: "" }
  child.stdout.setEncoding("utf8").on("data", (chunk: string) => (text.stdout += chunk))
  child.stderr.setEncoding("utf8").on("data", (chunk: string) => (text.stderr += chunk))
  const [code] = (await once(child, "close")) as [number | null]
  return { ...text, code }
}

/** Runs a command line in this process, without a terminal. */
export const runHere = async (...args: ReadonlyArray<string>) => {
  const collect = () => {
    const chunks: Array<string> = []
    const stream = new Writable({
      decodeStrings: false,
      write(chunk: string, _encoding, done) {
        chunks.push(chunk)
        done()
      }
    })
    return { stream, text: () => chunks.join("") }
  }
  const [stdout, stderr] = [collect(), collect()]
  const io = { stdin: process.stdin, stdout: stdout.stream as typeof process.stdout, stderr: stderr.stream, env: {} }
  const exit = await Effect.runPromiseExit(main(args, io))
  return { stdout: stdout.text(), stderr: stderr.text(), code: exit._tag === "Success" ? 0 : 1 }
}
