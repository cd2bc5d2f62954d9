/** What is left of a terminal that fails. The tests of `top` use real ones. */
import { interruptedEverywhere } from "@aio-task-pool/testing/interrupting"
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { PassThrough } from "node:stream"
import { openTerminal, Screen, type Tty } from "../../src/top/terminal.ts"
import { watch } from "../../src/top/watch.ts"
import { frame } from "./frames.ts"

const modes = (log: Array<string>, setRawMode: (mode: boolean) => void) => {
  const stdin = Object.assign(new PassThrough(), {
    isTTY: true,
    setRawMode: (mode: boolean) => {
      setRawMode(mode)
      log.push(`raw ${mode}`)
    }
  })
  const stdout = Object.assign(new PassThrough(), { isTTY: true, columns: 80, rows: 24, hasColors: () => false })
  stdout.on("data", (chunk: Buffer) => log.push(chunk.includes("?1049h") ? "enter" : "leave"))
  return { stdin, stdout } as unknown as Tty & { readonly stdin: PassThrough; readonly stdout: PassThrough }
}

/** The listeners that a screen adds. */
const listeners = ({ stdin, stdout }: Tty): number =>
  process.listenerCount("exit") +
  process.listenerCount("uncaughtExceptionMonitor") +
  stdin.listenerCount("keypress") +
  stdout.listenerCount("resize")

const open = (tty: Tty) =>
  Effect.scoped(
    openTerminal(
      tty,
      new Screen(tty.stdout),
      () => {},
      () => {}
    )
  )

const hungUp = (): void => {
  throw new Error("setRawMode EIO")
}

it.live("a terminal that refuses its raw mode has no listener left", () =>
  Effect.gen(function* () {
    const tty = modes([], hungUp)
    const before = listeners(tty)
    assert.strictEqual((yield* Effect.exit(open(tty)))._tag, "Failure")
    assert.strictEqual(listeners(tty), before)
  })
)

it.live("a terminal that has hung up gets its screen back, and its keys are read no more", () =>
  Effect.gen(function* () {
    const log: Array<string> = []
    const tty = modes(log, (mode) => (mode ? undefined : hungUp()))
    const before = listeners(tty)
    assert.strictEqual((yield* Effect.exit(open(tty)))._tag, "Failure")
    assert.strictEqual(listeners(tty), before)
    assert.deepStrictEqual(log, ["raw true", "enter", "leave"])
    assert.isTrue(tty.stdin.isPaused())
  })
)

it.live("a view that is interrupted while it opens leaves the terminal as it was", () =>
  Effect.gen(function* () {
    const log: Array<string> = []
    const tty = modes(log, () => {})
    const before = listeners(tty)
    yield* interruptedEverywhere(open(tty), () =>
      Effect.sync(() => {
        assert.strictEqual(listeners(tty), before)
        assert.include([undefined, "raw false"], log.at(-1))
      })
    )
    assert.include(log, "enter")
  })
)

it.live("a key that is pressed before the first drawing counts", () =>
  Effect.gen(function* () {
    const server = yield* Effect.acquireRelease(
      Effect.promise(async () => {
        const server = createServer((_request, response) => response.end(JSON.stringify(frame([]))))
        await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
        return server
      }),
      (server) => Effect.sync(() => server.close())
    )
    const { port } = server.address() as AddressInfo
    const log: Array<string> = []
    const tty = modes(log, () => {})
    const { stdin } = tty
    Object.assign(stdin, { resume: () => stdin.emit("keypress", "q", { name: "q", sequence: "q" }) })
    yield* watch({ address: `http://127.0.0.1:${port}`, token: undefined }, tty, (_color, text) => text)
    assert.strictEqual(log.at(-1), "raw false")
  }).pipe(Effect.scoped)
)
