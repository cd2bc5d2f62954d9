/**
 * The last lines of a terminal, which are redrawn while the program writes above them.
 *
 * While lines are drawn, writes to the terminal's streams are intercepted: the lines are erased, the text is written, and
 * the lines are drawn again. A text without a line feed would stand where the lines are, so it waits for its line feed, or
 * for the end of the lines. The cursor stays below the lines and visible, so a program that is killed leaves nothing to
 * restore.
 */
import type { Writable } from "node:stream"
import { stringWidth } from "./text.ts"

/** A stream that may be a terminal, such as `process.stderr`. */
export interface Output extends Writable {
  readonly isTTY?: boolean | undefined
  readonly columns?: number | undefined
  readonly rows?: number | undefined
  readonly hasColors?: ((...args: Array<any>) => boolean) | undefined
}

type Write = (chunk: any, ...rest: ReadonlyArray<any>) => boolean

/** Returns whether lines on a stream can be redrawn. */
export const canRedraw = ({ isTTY }: Output, env: NodeJS.ProcessEnv): boolean =>
  isTTY === true && env["TERM"] !== "dumb"

export class Screen {
  private readonly stream: Output
  private readonly draw: () => ReadonlyArray<string>
  private readonly interceptions: readonly [Interception, ...ReadonlyArray<Interception>]
  /** The lines that are drawn. */
  private drawn: ReadonlyArray<string> = []

  /** `draw` returns the lines, which it fits into `columns` and `rows`. `others` are streams of the same terminal. */
  constructor(stream: Output, others: ReadonlyArray<Output>, draw: () => ReadonlyArray<string>) {
    this.stream = stream
    this.draw = draw
    const rest = others.filter((other) => other !== stream)
    this.interceptions = [new Interception(stream, this), ...rest.map((other) => new Interception(other, this))]
  }

  /** The columns that a line may take. A line in the last column would wrap on some terminals. */
  get columns(): number {
    return (this.stream.columns || 80) - 1
  }

  /** The lines that there may be. The cursor has a line of its own. */
  get rows(): number {
    return Math.max(1, (this.stream.rows || 24) - 1)
  }

  /** Draws the lines again, over those that are drawn. */
  readonly refresh = (): void => {
    const lines = this.draw()
    const { drawn } = this
    if (lines.length === 0 && drawn.length === 0) return
    if (drawn.length === 0) this.begin()
    const top = this.toTop()
    this.drawn = lines
    this.write(`${top}${lines.map((line) => `${line}\u001B[K\n`).join("")}\u001B[J`)
    if (lines.length === 0) this.end()
  }

  /** Writes a line that stays, above the others. */
  print(line: string): void {
    this.above(() => this.write(`${line}\n`))
  }

  /** Writes above the lines. */
  above(write: () => void): void {
    const { drawn } = this
    if (drawn.length === 0) return write()
    this.write(`${this.toTop()}\u001B[J`)
    // Writes from within the write go straight through.
    this.drawn = []
    // A plain `try`: the write is the program's own, and may throw.
    try {
      write()
    } finally {
      this.drawn = drawn
    }
    this.write(drawn.map((line) => `${line}\n`).join(""))
  }

  /** Moves the cursor to the first line. The terminal has wrapped lines that are wider than it is now. */
  private toTop(): string {
    const columns = this.stream.columns || 80
    const rows = this.drawn.reduce((sum, line) => sum + Math.max(1, Math.ceil(stringWidth(line) / columns)), 0)
    return rows === 0 ? "" : `\u001B[${rows}A\r`
  }

  private begin(): void {
    for (const interception of this.interceptions) interception.begin()
    this.stream.on("resize", this.refresh)
    process.on("exit", this.end)
  }

  /** Writes what waits for a line feed, also if the program exits meanwhile. */
  private readonly end = (): void => {
    process.off("exit", this.end)
    this.stream.off("resize", this.refresh)
    for (const interception of this.interceptions) interception.end()
    flush(this.interceptions)
  }

  private write(text: string): void {
    this.interceptions[0].write(text)
  }
}

/** Writes to a stream until that fails, because a reader that has gone away is no error of the program. */
export class Quiet {
  private readonly stream: Output
  private pending = 0
  private hasFailed = false

  constructor(stream: Output) {
    this.stream = stream
  }

  write(text: string, write: Write = this.stream.write): void {
    const { stream } = this
    if (this.hasFailed || stream.destroyed) return
    if (this.pending++ === 0) stream.on("error", ignore)
    const written = (error: unknown): void => {
      this.pending--
      // A stream calls back before it emits its error.
      if (error) this.hasFailed = true
      else if (this.pending === 0) stream.off("error", ignore)
    }
    // A plain `try`, because any stream may be given, and the work that is shown must not fail with it.
    try {
      write.call(stream, text, written)
    } catch {
      this.hasFailed = true
    }
  }
}

const ignore = (): void => {}

/** The interception of the writes to one stream. */
class Interception {
  private readonly target: Output
  private readonly screen: Screen
  private readonly quiet: Quiet
  private isActive = false
  /** The intercepted function, while this interception is in place. */
  private original: Write | undefined = undefined
  private wasOwn = false
  /** Writes that wait for a line feed. */
  private held: Array<Parameters<Write>> = []

  constructor(target: Output, screen: Screen) {
    this.target = target
    this.screen = screen
    this.quiet = new Quiet(target)
  }

  begin(): void {
    this.isActive = true
    if (this.original !== undefined) return
    this.wasOwn = Object.hasOwn(this.target, "write")
    this.original = this.target.write
    this.target.write = this.intercept as Write
  }

  /** Intercepts no more. What is held waits for `release`, which may throw. */
  end(): void {
    this.isActive = false
    const { original, target } = this
    // Other code may have put its own function above this one, which then stays, and only passes on.
    if (target.write !== this.intercept) return
    if (this.wasOwn) target.write = original!
    else delete (target as Partial<Output>).write
    this.original = undefined
  }

  write(text: string): void {
    this.quiet.write(text, this.original)
  }

  /** Writes what is held. */
  release(): void {
    const { held, target } = this
    const write = this.original ?? target.write
    this.held = []
    for (const args of held) write.apply(target, args)
  }

  private readonly intercept = (...args: Parameters<Write>): boolean => {
    const [chunk] = args
    // The stream throws for a chunk of another type, which must not be held until a later write.
    if (!this.isActive || !isText(chunk)) return this.original!.apply(this.target, args)
    const isWhole = typeof chunk === "string" ? chunk.endsWith("\n") : chunk.at(-1) === 10
    this.held.push(isWhole ? args : accepted(chunk, args.slice(1)))
    if (isWhole) this.screen.above(() => this.release())
    return true
  }
}

/** Writes what is held for all streams, also if the stream of one throws: the write is the program's own. */
const flush = ([interception, ...rest]: ReadonlyArray<Interception>): void => {
  if (interception === undefined) return
  // A plain `try`: the streams of the others must get their text, too.
  try {
    interception.release()
  } finally {
    flush(rest)
  }
}

const isText = (chunk: unknown): chunk is string | Uint8Array =>
  typeof chunk === "string" || chunk instanceof Uint8Array

/** Calls the callback of a write that is held: the writer may wait for it, and write the line feed afterwards. */
const accepted = (chunk: string | Uint8Array, rest: ReadonlyArray<unknown>): Parameters<Write> => {
  const callback = rest.find((arg) => typeof arg === "function")
  if (callback !== undefined) process.nextTick(callback, null)
  // From then on the writer may use its memory for something else.
  const copy = typeof chunk === "string" ? chunk : Uint8Array.from(chunk)
  return [copy, ...rest.filter((arg) => arg !== callback)]
}
