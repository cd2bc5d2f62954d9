import { AioAutoScaleTaskPoolSimple, type TaskPoolService } from "@aio-task-pool/core"
import { Protocol } from "@aio-task-pool/dashboard"
import { hasPseudoTerminals } from "@aio-task-pool/testing/terminal"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import { createServer, type RequestListener } from "node:http"
import type { AddressInfo } from "node:net"
import { fileURLToPath } from "node:url"
import { isolated, open, pool } from "../support/program.ts"
import { run, runHere, startTop } from "./program.ts"

const crash = fileURLToPath(new URL("../programs/crash.mjs", import.meta.url))

type Top = Awaited<ReturnType<typeof startTop>>
const top = (...args: Parameters<typeof startTop>) =>
  Effect.acquireRelease(
    Effect.promise(() => startTop(...args)),
    ({ end }) => Effect.promise(end)
  )
const until = (top: Top, holds: (lines: ReadonlyArray<string>) => boolean) => Effect.promise(() => top.until(holds))
const shows = (top: Top, text: string | RegExp) =>
  until(top, (lines) => lines.some((line) => (typeof text === "string" ? line.includes(text) : text.test(line))))
const linesOf = (top: Top) => Effect.promise(() => top.lines())
const exitOf = (top: Top) => Effect.promise(() => top.exited)

/** A task that does not end until the test does. */
const stuck = (pool: TaskPoolService, label: string) =>
  Effect.andThen(
    pool.fork(Effect.never, { label }),
    Effect.addFinalizer(() => pool.close({ mode: "interrupt" }))
  )

/** The terminal as it was before: its text, its cursor, and the screen that scrolls. */
const expectRestored = Effect.fnUntraced(function* (top: Top) {
  const [first] = yield* linesOf(top)
  assert.match(first!, /^shell \d+/)
  assert.strictEqual(top.emulator.buffer.active.type, "normal")
  const text = top.written.join("")
  assert.isAbove(text.lastIndexOf("\u001B[?25h"), text.lastIndexOf("\u001B[?25l"))
})

// Base64 has these characters too.
const token = "a+token/for-these-tests=="

// Real processes, terminals and sockets: real time.
describe.skipIf(!hasPseudoTerminals)("top on a terminal", () => {
  it.live("shows the pools and the tasks of the selected one, and gives the terminal back", () =>
    isolated(
      Effect.gen(function* () {
        const { address } = yield* open()
        const mail = yield* pool("mail", { size: 1 })
        yield* pool("fetch")
        yield* stuck(mail, "first letter")
        yield* stuck(mail, "second letter")
        const view = yield* top([address])
        yield* shows(view, "> mail")
        yield* shows(view, /first letter +runs/)
        yield* shows(view, /second letter +waits/)
        view.press("\u001B[B")
        yield* shows(view, "> fetch")
        yield* shows(view, /^fetch {2}AioFixedTaskPoolSimple/)
        view.press("\u001B[A")
        yield* shows(view, "> mail")
        yield* shows(view, "first letter")
        view.press("\r")
        yield* until(view, (lines) => !lines.some((line) => line.includes("fetch")))
        view.press("\r")
        yield* shows(view, /^ {2}fetch/)
        view.press("s")
        yield* shows(view, "sort: name")
        view.press("/fet\r")
        yield* until(view, (lines) => lines.includes("> fetch") || lines.some((line) => line.startsWith("> fetch")))
        yield* shows(view, "/ filter: fet")
        view.press("q")
        assert.strictEqual(yield* exitOf(view), 0)
        yield* expectRestored(view)
      })
    )
  )

  it.live("says why an auto-scale pool has its size", () =>
    isolated(
      Effect.gen(function* () {
        const { address } = yield* open()
        const fetch = yield* AioAutoScaleTaskPoolSimple.make({
          name: "fetch",
          minSize: 1,
          maxSize: 4,
          interval: "200 millis"
        })
        for (let i = 0; i < 10; i++) yield* stuck(fetch, `page ${i}`)
        const view = yield* top([address], { columns: 120, rows: 40 })
        // Nothing ends, so the pool grows by one worker at a time, by demand alone.
        yield* shows(view, /ago {2}\d→\d WAITING +\w+/)
        yield* shows(view, /^> fetch .* 4\/4/)
      })
    )
  )

  it.live("pauses and resumes a pool with the token in the address", () =>
    isolated(
      Effect.gen(function* () {
        const { address } = yield* open({ actions: true, token })
        const { stats } = yield* pool("mail")
        const view = yield* top([`${address}/#token=${token}`])
        yield* shows(view, "p pause")
        view.press("p")
        yield* shows(view, "mail: paused")
        assert.strictEqual((yield* stats).phase, "Paused")
        yield* shows(view, /^> mail.*Paused/)
        view.press("p")
        yield* shows(view, "mail: resumed")
        assert.strictEqual((yield* stats).phase, "Open")
      })
    )
  )

  it.live("says what p needs", () =>
    isolated(
      Effect.gen(function* () {
        const { address } = yield* open()
        const { stats } = yield* pool("mail")
        const view = yield* top([address])
        view.press("p")
        yield* shows(view, "p needs the token")
        const other = yield* top([address, "--token", token])
        other.press("p")
        yield* shows(other, "the program allows no actions")
        assert.strictEqual((yield* stats).phase, "Open")
      })
    )
  )

  it.live("says when the server refuses an action", () =>
    isolated(
      Effect.gen(function* () {
        const { address } = yield* open({ actions: true, token })
        const { stats } = yield* pool("mail")
        const view = yield* top([address, "--token", "wrong"])
        view.press("p")
        yield* shows(view, "answered 401")
        assert.strictEqual((yield* stats).phase, "Open")
      })
    )
  )

  it.live("fits a terminal that is resized", () =>
    isolated(
      Effect.gen(function* () {
        const { address } = yield* open()
        yield* pool("mail")
        const view = yield* top([address], { columns: 120, rows: 30 })
        yield* shows(view, "queue p95")
        yield* Effect.promise(() => view.resize(50, 12))
        yield* until(
          view,
          (lines) =>
            lines.some((line) => line.startsWith("> mail")) &&
            !lines.some((line) => line.includes("p95")) &&
            lines.every((line) => line.length <= 50)
        )
        yield* Effect.promise(() => view.resize(120, 30))
        yield* shows(view, "queue p95")
      })
    )
  )

  it.live("escape sequences in labels and names do not reach the terminal", () =>
    isolated(
      Effect.gen(function* () {
        const evil = "\u001B]0;owned\u0007\u001B[31mlabel"
        const { address } = yield* open()
        const mail = yield* pool(`\u001B[2Jmail`)
        yield* stuck(mail, evil)
        const view = yield* top([address])
        const titles: Array<string> = []
        view.emulator.onTitleChange((title) => titles.push(title))
        yield* shows(view, "]0;owned[31mlabel")
        yield* shows(view, "> [2Jmail")
        assert.deepStrictEqual(titles, [])
        const text = view.written.join("")
        for (const sequence of ["\u001B]0;", "\u001B[2Jmail", "\u001B[31mlabel"]) assert.notInclude(text, sequence)
      })
    )
  )

  it.live("gives the terminal back on SIGTERM and on Ctrl-C", () =>
    isolated(
      Effect.gen(function* () {
        const { address } = yield* open()
        const killed = yield* top([address])
        killed.kill("SIGTERM")
        assert.notStrictEqual(yield* exitOf(killed), 0)
        yield* expectRestored(killed)
        const stopped = yield* top([address])
        stopped.press("\u0003")
        assert.strictEqual(yield* exitOf(stopped), 0)
        yield* expectRestored(stopped)
      })
    )
  )

  it.live("gives the terminal back before the error of a crash is printed", () =>
    isolated(
      Effect.gen(function* () {
        const { address } = yield* open()
        const view = yield* top([address], { node: ["--import", crash] })
        view.kill("SIGUSR2")
        assert.notStrictEqual(yield* exitOf(view), 0)
        yield* expectRestored(view)
        assert.include((yield* linesOf(view)).join("\n"), "crashed on purpose")
      })
    )
  )

  it.live("finds a server again that was away", () =>
    isolated(
      Effect.gen(function* () {
        const scope = yield* Scope.make()
        const { address, port } = yield* Scope.provide(open(), scope)
        yield* pool("mail")
        const view = yield* top([address])
        yield* Scope.close(scope, Exit.void)
        yield* shows(view, "connection lost, trying again")
        yield* shows(view, "> mail")
        yield* open({ port })
        yield* shows(view, /live$/)
      })
    )
  )

  it.live("has no colors with NO_COLOR", () =>
    isolated(
      Effect.gen(function* () {
        const { address } = yield* open()
        yield* pool("mail")
        const view = yield* top([address], { env: { NO_COLOR: "1" } })
        yield* shows(view, "> mail")
        // oxlint-disable-next-line no-control-regex
        assert.notMatch(view.written.join(""), /\u001B\[\d*m/)
      })
    )
  )
})

describe("top without a terminal", () => {
  it.live("prints one table and the warnings, also with --once", () =>
    isolated(
      Effect.gen(function* () {
        const { address } = yield* open()
        yield* pool("mail")
        yield* pool("mail")
        yield* pool("fetch")
        const once = Effect.promise(() => runHere("top", "--once", address))
        // The server applies its rules once a second.
        const warned = yield* Effect.repeat(once, { until: ({ stdout }) => stdout.includes("\n! ") })
        const outputs = [warned, yield* Effect.promise(() => run("top", address))]
        for (const { code, stderr, stdout } of outputs) {
          assert.deepStrictEqual([code, stderr], [0, ""])
          const [header, ...lines] = stdout.trim().split("\n")
          assert.strictEqual(
            header!.trim().split(/ {2,}/).join("|"),
            "pool|state|running|waiting|oldest|queue p95|run p95|done|bad"
          )
          assert.match(lines[0]!, /^mail +! Open +0\/2 +0 /)
          assert.match(lines[2]!, /^fetch +Open +0\/2 +0 /)
          assert.match(lines[3]!, /^! .*mail/)
          assert.notInclude(stdout, "\u001B")
        }
      })
    )
  )

  it.live("prints a frame as JSON with --json", () =>
    isolated(
      Effect.gen(function* () {
        const { address } = yield* open()
        yield* pool("mail")
        const { code, stdout } = yield* Effect.promise(() => runHere("top", address, "--json"))
        assert.strictEqual(code, 0)
        const frame = yield* Schema.decodeUnknownEffect(Protocol.Frame)(JSON.parse(stdout))
        assert.deepStrictEqual(
          frame.pools.map(({ id }) => id),
          ["mail"]
        )
      })
    )
  )

  it.live("says that no pool is open", () =>
    isolated(
      Effect.gen(function* () {
        const { address } = yield* open()
        const { stdout } = yield* Effect.promise(() => runHere("top", address))
        assert.strictEqual(stdout, "no pool is open\n")
      })
    )
  )

  it("prints its help", async () => {
    for (const args of [["--help"], ["top", "-h"], []]) {
      const { code, stderr, stdout } = await runHere(...args)
      assert.deepStrictEqual([code, stderr], [0, ""])
      for (const word of [
        "aio-task-pool top [url]",
        "--once",
        "--json",
        "--token",
        "AIO_TASK_POOL_TOKEN",
        "enter",
        "Pause"
      ]) {
        assert.include(stdout, word)
      }
    }
  })

  it("wrong arguments get one clear line", async () => {
    const wrong: ReadonlyArray<readonly [ReadonlyArray<string>, RegExp]> = [
      [["watch"], /^aio-task-pool: there is no command "watch"\. See --help\n$/],
      [["top", "--onec"], /^aio-task-pool: Unknown option '--onec'\. See --help\n$/],
      [["top", "a", "b"], /^aio-task-pool: top takes one url, got 2\n$/],
      [["top", "ftp://host"], /^aio-task-pool: "ftp:\/\/host" is no http address\n$/]
    ]
    for (const [args, message] of wrong) {
      const { code, stderr, stdout } = await runHere(...args)
      assert.deepStrictEqual([code, stdout], [1, ""])
      assert.match(stderr, message)
    }
  })

  const serving = async (answer: RequestListener, test: (address: string) => Promise<void>): Promise<void> => {
    const server = createServer(answer)
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
    try {
      await test(`127.0.0.1:${(server.address() as AddressInfo).port}`)
    } finally {
      server.close()
    }
  }

  it("an address without a dashboard gets a clear message", async () => {
    const answers: ReadonlyArray<readonly [number, string, RegExp]> = [
      [200, "[]", /answers, but not like a dashboard of this version/],
      [200, "<html>", /answers, but not like a dashboard of this version/],
      [401, "", /answered 401: it wants the token/],
      [403, "", /answered 403: it refuses this address/],
      [404, "", /answered 404: there is no dashboard at this address/],
      [500, "", /answered 500$/]
    ]
    for (const [status, body, message] of answers) {
      await serving(
        (_request, response) => response.writeHead(status).end(body),
        async (address) => {
          const { code, stderr } = await runHere("top", address)
          assert.strictEqual(code, 1)
          assert.match(stderr.trim(), message)
        }
      )
    }
  })

  it("fails as a program, too", async () => {
    const { code, stderr } = await run("watch")
    assert.deepStrictEqual([code, stderr], [1, 'aio-task-pool: there is no command "watch". See --help\n'])
  })

  it("says when nothing answers", async () => {
    let address = ""
    await serving(
      () => {},
      async (free) => void (address = free)
    )
    const { code, stderr } = await runHere("top", address)
    assert.deepStrictEqual([code, stderr], [1, `aio-task-pool: nothing answers at http://${address}\n`])
  })

  it("sends the token of the address or of the environment, and never prints it", async () => {
    const seen: Array<string | undefined> = []
    await serving(
      ({ headers, url }, response) => {
        seen.push(headers.authorization, url)
        response.writeHead(401).end()
      },
      async (address) => {
        const { stderr, stdout } = await runHere("top", `http://${address}/ops/#token=secret`)
        assert.notInclude(stdout + stderr, "secret")
      }
    )
    assert.deepStrictEqual(seen, ["Bearer secret", "/ops/api/v1/pools"])
  })
})
