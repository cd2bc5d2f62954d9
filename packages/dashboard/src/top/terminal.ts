/** The whole screen of a terminal and its keys, given back as they were on every way out. */
import * as Effect from "effect/Effect"
import type { Scope } from "effect/Scope"
import { emitKeypressEvents } from "node:readline"
import type { ReadStream, WriteStream } from "node:tty"
import type { Key } from "./state.ts"

/** The streams of a terminal. */
export interface Tty {
  readonly stdin: Pick<ReadStream, "isTTY" | "setRawMode" | "resume" | "pause"> & NodeJS.ReadableStream
  readonly stdout: Pick<WriteStream, "isTTY" | "columns" | "rows" | "hasColors"> & NodeJS.WritableStream
}

const enter = "\u001B[?1049h\u001B[?25l\u001B[H"
const leave = "\u001B[?25h\u001B[?1049l"

export class Screen {
  private readonly stdout: Tty["stdout"]
  private drawn: ReadonlyArray<string> = []

  constructor(stdout: Tty["stdout"]) {
    this.stdout = stdout
  }

  get columns(): number {
    return this.stdout.columns || 80
  }

  get rows(): number {
    return this.stdout.rows || 24
  }

  /** Draws the lines that differ from those on the screen. Erases first: after a full line some terminals would erase its end. */
  draw(lines: ReadonlyArray<string>): void {
    const changes = lines.map((line, i) => (line === this.drawn[i] ? "" : `\u001B[${i + 1};1H\u001B[K${line}`))
    if (lines.length < this.drawn.length) changes.push(`\u001B[${lines.length + 1};1H\u001B[J`)
    this.drawn = lines
    const text = changes.join("")
    if (text !== "") this.stdout.write(text)
  }

  /** Forgets what is on the screen, which the terminal may have wrapped or cut. */
  clear(): void {
    this.drawn = []
    this.stdout.write("\u001B[2J")
  }
}

/** Takes the screen and the keys until the scope closes, and also gives them back if the program exits or crashes. */
export const openTerminal = (
  tty: Tty,
  screen: Screen,
  onKey: (key: Key) => void,
  onResize: () => void
): Effect.Effect<void, never, Scope> =>
  Effect.flatMap(
    Effect.acquireRelease(
      Effect.sync(() => takeable(tty, screen, onKey, onResize)),
      ({ restore }) => Effect.sync(restore)
    ),
    // After the finalizer: it may fail half way, because a terminal may hang up.
    ({ take }) => Effect.sync(take)
  )

const takeable = ({ stdin, stdout }: Tty, screen: Screen, onKey: (key: Key) => void, onResize: () => void) => {
  let isTaken = false
  const keypress = (_text: unknown, key: Key): void => onKey(key)
  const resize = (): void => {
    screen.clear()
    onResize()
  }
  const restore = (): void => {
    if (!isTaken) return
    isTaken = false
    process.off("exit", restore)
    process.off("uncaughtExceptionMonitor", restore)
    stdout.off("resize", resize)
    stdin.off("keypress", keypress)
    stdin.pause()
    stdout.write(leave)
    // Last, because it throws if the terminal has hung up.
    stdin.setRawMode(false)
  }
  const take = (): void => {
    isTaken = true
    process.on("exit", restore)
    // Before Node prints the error, which would vanish with the screen.
    process.on("uncaughtExceptionMonitor", restore)
    emitKeypressEvents(stdin)
    stdin.setRawMode(true)
    stdout.on("resize", resize)
    stdout.write(enter)
    stdin.on("keypress", keypress)
    stdin.resume()
  }
  return { take, restore }
}
