/** Runs the programs of the cookbook, each as a process of its own. */
import { assert } from "vitest"
import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { text } from "node:stream/consumers"

export const root = join(import.meta.dirname, "../../../..")
export const folder = "packages/examples/src/cookbook"

/** The fences of a page whose line of the opening matches. */
export const fencesOf = (page: string, opening: RegExp): ReadonlyArray<string> =>
  Array.from(
    readFileSync(join(root, `docs/cookbook/${page}.md`), "utf8").matchAll(/^```(.*)\n([^]*?)^```$/gm),
    ([, head, body]) => (opening.test(head!) ? body! : undefined)
  ).filter((body) => body !== undefined)

/** Starts the program of a page. */
export const start = (page: string, ...flags: ReadonlyArray<string>): ChildProcess => startWith({}, page, flags)

const startWith = (env: NodeJS.ProcessEnv, page: string, flags: ReadonlyArray<string> = []): ChildProcess =>
  spawn(process.execPath, ["--no-warnings", `${folder}/${page}.ts`, ...flags], {
    cwd: root,
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "pipe"]
  })

/** Runs the program of a page to its end, which must be a good one, and returns what it prints. */
export const run = (page: string, ...flags: ReadonlyArray<string>): Promise<string> => outputOf(start(page, ...flags))

/** The same, with more variables in its environment. */
export const runWith = (env: NodeJS.ProcessEnv, page: string): Promise<string> => outputOf(startWith(env, page))

const outputOf = async (child: ChildProcess): Promise<string> => {
  const [stdout, stderr] = await Promise.all([text(child.stdout!), text(child.stderr!), once(child, "close")])
  assert.deepStrictEqual({ stderr, code: child.exitCode }, { stderr: "", code: 0 }, stdout)
  return stdout
}

/** What the page says that its program prints. */
export const printedBy = (page: string): string => fencesOf(page, /^text$/)[0] ?? ""

/** The text with `#` for each number, because some numbers depend on the machine. */
export const shape = (output: string): string => output.replaceAll(/\d+/g, "#").trimEnd()

/** The numbers of a text. */
export const numbers = (output: string): ReadonlyArray<number> =>
  Array.from(output.matchAll(/\d+/g), ([digits]) => Number(digits))

/** What the stream of lines must keep, of any length. */
export const checkStream = (output: string, length: number): void => {
  const [written, active, held] = numbers(output)
  assert.strictEqual(written, length)
  assert.isAtMost(active!, 8)
  // Eight that are hashed, sixteen results, and the line that was read last.
  assert.isAtMost(held!, 8 + 16 + 1)
}
