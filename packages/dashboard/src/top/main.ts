/** The command line of `aio-task-pool`. */
import * as Effect from "effect/Effect"
import { parseArgs } from "node:util"
import { readOnce, targetOf, TopError } from "./connection.ts"
import { visible } from "./state.ts"
import { table } from "./table.ts"
import type { Tty } from "./terminal.ts"
import { clean } from "./text.ts"
import { painter } from "./view.ts"
import { watch } from "./watch.ts"

export const help = `aio-task-pool top [url] shows the task pools of a program in the terminal.

The program shows its pools with Dashboard.layer of @aio-task-pool/dashboard. The url is the address that it
listens at, default http://127.0.0.1:4980. An address with #token= at its end also allows actions.

Options
  --once           Print one table and exit. The default if the output is not a terminal
  --json           Print one frame as JSON and exit
  --token <token>  The token, default the environment variable AIO_TASK_POOL_TOKEN
  --help           Print this text

Keys
  up, down         Select a pool
  enter            Show only the selected pool, and back
  s                Sort by trouble, name, running, waiting, done
  /                Filter by name; escape clears the filter
  p                Pause or resume the selected pool; needs the token
  q                Quit
`

/** The streams and the environment of the process. */
export interface Io extends Tty {
  readonly stderr: NodeJS.WritableStream
  readonly env: NodeJS.ProcessEnv
}

/** Runs a command line. Errors are printed, and fail. */
export const main = (argv: ReadonlyArray<string>, io: Io): Effect.Effect<void, TopError> =>
  Effect.tapError(run(argv, io), ({ message }) => write(io.stderr, `aio-task-pool: ${message}\n`))

const options = {
  once: { type: "boolean" },
  json: { type: "boolean" },
  token: { type: "string" },
  help: { type: "boolean", short: "h" }
} as const

const run = Effect.fnUntraced(function* (argv: ReadonlyArray<string>, io: Io) {
  const { positionals, values } = yield* Effect.try({
    try: () => parseArgs({ args: [...argv], options, allowPositionals: true }),
    catch: (cause) => new TopError({ message: `${(cause as Error).message.split(". ")[0]}. See --help` })
  })
  const [command, url = "http://127.0.0.1:4980", ...rest] = positionals
  if (values.help === true || argv.length === 0) return yield* write(io.stdout, help)
  if (command !== "top") return yield* new TopError({ message: `there is no command "${command ?? ""}". See --help` })
  if (rest.length > 0) return yield* new TopError({ message: `top takes one url, got ${rest.length + 1}` })
  const target = yield* targetOf(url, values.token ?? io.env["AIO_TASK_POOL_TOKEN"])

  if (values.json === true) {
    const { json } = yield* readOnce(target)
    return yield* write(io.stdout, `${JSON.stringify(json)}\n`)
  }
  const isTerminal = io.stdout.isTTY && io.stdin.isTTY && io.env["TERM"] !== "dumb"
  if (values.once === true || !isTerminal) {
    const { frame } = yield* readOnce(target)
    return yield* write(io.stdout, report(visible({ frame, filter: "", sort: "trouble" }), io.stdout.columns))
  }
  return yield* watch(target, io, painter(io.stdout.hasColors()))
})

/** The table and the warnings, for a file or a pipe. */
const report = (rows: ReturnType<typeof visible>, columns: number | undefined): string => {
  if (rows.length === 0) return "no pool is open\n"
  const { header, rows: lines } = table(rows, columns ?? Infinity)
  const warnings = rows.flatMap(({ warnings }) => warnings.map(({ message }) => `! ${clean(message)}`))
  return `${[header, ...lines, ...warnings].join("\n")}\n`
}

/** Writes a text and waits until it is written. A reader that has gone away is no error. */
const write = (stream: NodeJS.WritableStream, text: string): Effect.Effect<void> =>
  Effect.callback((resume) => {
    const ignore = (): void => {}
    stream.on("error", ignore)
    stream.write(text, () => {
      stream.off("error", ignore)
      resume(Effect.void)
    })
  })
