/** Runs the examples, each as a process of its own. */
import { assert } from "vitest"
import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { readFileSync } from "node:fs"
import { basename, dirname, join } from "node:path"
import { text } from "node:stream/consumers"

export const root = join(import.meta.dirname, "../../../..")
export const examples = join(root, "packages/examples")

interface Fence {
  /** What follows the opening: the language, and marks. */
  readonly head: string
  readonly body: string
}

/** The fences of a file of Markdown, whose path is relative to the root. */
export const fencesIn = (file: string): ReadonlyArray<Fence> =>
  Array.from(readFileSync(join(root, file), "utf8").matchAll(/^```(.*)\n([^]*?)^```$/gm), ([, head, body]) => ({
    head: head!,
    body: body!
  }))

/** The fences of a page of the cookbook that show programs. */
export const programsOf = (page: string): ReadonlyArray<Fence> =>
  fencesIn(`docs/cookbook/${page}.md`).filter(({ head }) => head.startsWith("ts file "))

/** The path of the program of a page: the first one that the page shows. */
export const programOf = (page: string): string => programsOf(page)[0]!.head.slice("ts file ".length)

/** Starts a program, whose path is relative to the root, in its own folder. */
export const start = (program: string, flags: ReadonlyArray<string> = [], env: NodeJS.ProcessEnv = {}): ChildProcess =>
  spawn(process.execPath, ["--no-warnings", basename(program), ...flags], {
    cwd: join(root, dirname(program)),
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "pipe"]
  })

/** Runs a program to its end, which must be a good one, and returns what it prints. */
export const run = (program: string, flags: ReadonlyArray<string> = [], env: NodeJS.ProcessEnv = {}): Promise<string> =>
  outputOf(start(program, flags, env))

const outputOf = async (child: ChildProcess): Promise<string> => {
  const [stdout, stderr] = await Promise.all([text(child.stdout!), text(child.stderr!), once(child, "close")])
  assert.deepStrictEqual({ stderr, code: child.exitCode }, { stderr: "", code: 0 }, stdout)
  return stdout
}

/** What a file of Markdown says that its program prints. */
export const printedBy = (file: string): string => fencesIn(file).find(({ head }) => head === "text")?.body ?? ""

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

/** The program that needs Redis and starts processes: it takes longest, and runs with the proofs. */
export const onRedis = "several-processes"
