/** A terminal for tests: a stream whose output an emulator shows. */
import xterm from "@xterm/headless"
import { Writable } from "node:stream"
import { WriteStream } from "node:tty"

export const makeTerminal = (columns = 80, rows = 24) => {
  const emulator = new xterm.Terminal({ cols: columns, rows, allowProposedApi: true, convertEol: true })
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
      isTTY: true,
      columns,
      rows,
      getColorDepth: WriteStream.prototype.getColorDepth,
      hasColors: WriteStream.prototype.hasColors
    }
  )
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
  return {
    stream,
    emulator,
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
