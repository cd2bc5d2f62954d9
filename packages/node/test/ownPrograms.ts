/** Programs that a thread loads because they define its jobs: each is a process of its own. */
import { run } from "./support.ts"

/** The error of a job whose module, or one that it imports, makes an executor. */
export const refusal = (file: string): string =>
  `${new URL(`./programs/own/${file}`, import.meta.url).href}, or a module that it imports, makes an executor when a thread loads it: ` +
  "move its jobs to a module of their own, or guard the program with import.meta.main"

/** Runs a program of `programs/own`, and returns its last line and the number of lines before it. */
export const start = async (file: string) => {
  const { code, stderr, stdout } = await run(`own/${file}`)
  const lines = stdout.trim().split("\n")
  return { code, stderr, answer: lines.pop(), runs: lines.length }
}

export const answered = (answer: string, runs: number) => ({ code: 0, stderr: "", answer, runs })

/** Returns what a program says whose job fails with the cure, and the number of its other lines apart. */
export const refused = async (file: string, job: string, loaded: string = file) => {
  const { runs, ...outcome } = await start(file)
  return { runs, outcome, expected: { code: 0, stderr: "", answer: `${job}: ${refusal(loaded)}` } }
}
