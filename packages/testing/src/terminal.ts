/** Terminals for tests: an emulator shows what a stream, or a program on a pseudo terminal, writes. Workspace only. */
import xterm from "@xterm/headless"
import { spawn, spawnSync } from "node:child_process"
import { once } from "node:events"
import { existsSync } from "node:fs"
import { PassThrough, Writable } from "node:stream"
import { clearTimeout, setTimeout } from "node:timers"
import { WriteStream } from "node:tty"

/** Makes an emulator, and a function that reads its lines when it has shown everything that was written. */
const makeEmulator = (columns: number, rows: number) => {
  const emulator = new xterm.Terminal({ cols: columns, rows, allowProposedApi: true })
  const lines = (): Promise<ReadonlyArray<string>> =>
    new Promise((resolve) =>
      emulator.write("", () => {
        const { active } = emulator.buffer
        const all = Array.from({ length: active.length }, (_, i) =>
          active.getLine(i)!.translateToString(true).trimEnd()
        )
        resolve(all.slice(0, all.findLastIndex((line) => line !== "") + 1))
      })
    )
  return { emulator, lines }
}

/** Makes the streams of a terminal. */
export const makeTerminal = (columns = 80, rows = 24) => {
  const { emulator, lines } = makeEmulator(columns, rows)
  emulator.options.convertEol = true
  const written: Array<string> = []
  const stream = Object.assign(
    new Writable({
      decodeStrings: false,
      write(chunk: string | Uint8Array, _encoding, done) {
        written.push(typeof chunk === "string" ? chunk : Buffer.from(chunk).toString())
        emulator.write(chunk)
        done()
      }
    }),
    {
      isTTY: true as const,
      columns,
      rows,
      getColorDepth: WriteStream.prototype.getColorDepth,
      hasColors: WriteStream.prototype.hasColors
    }
  )
  const input = Object.assign(new PassThrough(), {
    isTTY: true as const,
    isRaw: false,
    setRawMode(isRaw: boolean) {
      input.isRaw = isRaw
      return input
    }
  })
  return {
    /** What a program writes to, like `process.stdout`. */
    stream,
    /** What a program reads its keys from, like `process.stdin`. */
    input,
    emulator,
    /** Every chunk that was written. */
    written,
    /** The lines on the screen and those that have scrolled out of it, without empty ones at the end. */
    lines,
    /** Changes the size, after the emulator has shown what was written. */
    async resize(newColumns: number, newRows = rows): Promise<void> {
      await lines()
      emulator.resize(newColumns, newRows)
      Object.assign(stream, { columns: newColumns, rows: newRows })
      stream.emit("resize")
    }
  }
}

/** Whether `runOnTerminal` works here. */
export const hasPseudoTerminals = process.platform === "linux" && existsSync("/usr/bin/script")

/** Runs a program on a pseudo terminal. */
export const runOnTerminal = async (
  command: ReadonlyArray<string>,
  { columns = 80, env = {}, rows = 24 }: { columns?: number; rows?: number; env?: Record<string, string> } = {}
) => {
  const { emulator, lines } = makeEmulator(columns, rows)
  const quoted = command.map((word) => `'${word.replaceAll("'", "'\\''")}'`).join(" ")
  // The shell says who it is and where, and then becomes the program.
  const shell = `stty cols ${columns} rows ${rows}; echo "shell $$ $(tty)"; exec ${quoted}`
  const { CI: _, NO_COLOR: __, FORCE_COLOR: ___, ...inherited } = process.env
  const script = spawn("/usr/bin/script", ["--quiet", "--flush", "--return", "--command", shell, "/dev/null"], {
    env: { ...inherited, TERM: "xterm-256color", ...env },
    stdio: ["pipe", "pipe", "inherit"]
  })
  const written: Array<string> = []
  let notify = (): void => {}
  script.stdout.setEncoding("utf8").on("data", (chunk: string) => {
    written.push(chunk)
    emulator.write(chunk)
    notify()
  })
  const exited = once(script, "close").then(([code]) => {
    notify()
    return code as number | null
  })
  let hasExited = false
  void exited.then(() => (hasExited = true))

  /** Waits until the lines satisfy a condition, for at most two minutes. The error shows the lines. */
  const until = async (holds: (lines: ReadonlyArray<string>) => boolean): Promise<ReadonlyArray<string>> => {
    let isLate = false
    const timer = setTimeout(() => {
      isLate = true
      notify()
    }, 2 * 60_000)
    try {
      for (;;) {
        const next = new Promise<void>((resolve) => (notify = resolve))
        const now = await lines()
        if (holds(now)) return now
        if (isLate) throw new Error(`still waiting, and the terminal shows:\n${now.join("\n")}`)
        if (hasExited) throw new Error(`the program has ended, and the terminal shows:\n${now.join("\n")}`)
        await next
      }
    } finally {
      clearTimeout(timer)
    }
  }
  const [first] = await until((lines) => lines[0]?.startsWith("shell ") === true)
  const [, pid, tty] = first!.split(" ")
  return {
    emulator,
    lines,
    written,
    until,
    /** The exit code, 128 and the number of the signal if one has killed the program. */
    exited,
    /** Kills the program if it still runs, and waits for its end. */
    async end(): Promise<void> {
      script.kill("SIGKILL")
      await exited
    },
    press: (keys: string): void => void script.stdin.write(keys),
    kill: (signal: NodeJS.Signals): void => void process.kill(Number(pid), signal),
    async resize(newColumns: number, newRows = rows): Promise<void> {
      await lines()
      emulator.resize(newColumns, newRows)
      spawnSync("stty", ["-F", tty!, "cols", `${newColumns}`, "rows", `${newRows}`])
    }
  }
}
