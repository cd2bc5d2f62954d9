// Runs of the demo that take seconds.
import { hasPseudoTerminals, runOnTerminal } from "@aio-task-pool/testing/terminal"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Schedule, Stream } from "effect"
import { FetchHttpClient, HttpClient } from "effect/http"
import { demoTest, program, row, run, start } from "./demo/run.ts"

// Lasts at least a minute, so that it does not end before it is stopped.
const lasting = ["--only", "fixed", "--cost", "2000"]

/** Starts the demo and waits until it says where its server is. */
const startUntilServing = Effect.fnUntraced(function* (...flags: ReadonlyArray<string>) {
  const demo = yield* start(...flags)
  const lines = demo.stdout.pipe(
    Stream.decodeText(),
    Stream.splitLines,
    Stream.map((line) => /from (http:\S+),/.exec(line)?.[1]),
    Stream.filter((address) => address !== undefined)
  )
  const [address] = yield* Stream.runCollect(Stream.take(lines, 1))
  return { demo, address: address! }
})

const isServing = (address: string) =>
  HttpClient.get(`${address}/load`).pipe(
    Effect.as(true),
    Effect.orElseSucceed(() => false),
    Effect.provide(FetchHttpClient.layer)
  )

const awaitNotServing = (address: string) =>
  isServing(address).pipe(Effect.repeat({ while: (serving) => serving, schedule: Schedule.spaced("50 millis") }))

describe("demo", () => {
  demoTest("a wrong value of a flag gets a helpful message", () =>
    Effect.gen(function* () {
      const [zero, word] = yield* Effect.all([run("--files", "0"), run("--only", "nothing")])
      assert.match(zero.stderr, /Invalid value for flag --files: "0"\. Expected: an integer of 1 or more/)
      assert.match(word.stderr, /Invalid value for flag --only: "nothing".*"auto-scale"/)
      assert.deepStrictEqual([zero.exitCode, word.exitCode], [1, 1])
    })
  )

  demoTest("pools lose nothing where everything at once has failures", () =>
    Effect.gen(function* () {
      const { exitCode, stderr, stdout } = yield* run("--files", "40", "--limit", "4", "--cost", "60")
      assert.strictEqual(stderr, "")
      assert.strictEqual(exitCode, 0)

      const [requests, failures, , , , , size] = row(stdout, "everything at once")
      assert.deepStrictEqual([requests, size], ["40", "40"])
      assert.isAbove(Number(failures), 0)
      // The client's failures are the requests that the server says it rejected.
      assert.include(
        stdout,
        `handled at most 4 requests at once, served ${240 - Number(failures)} and rejected ${failures}.`
      )
      assert.include(stdout, `Failures of everything at once: ${failures} rejected with 503.`)

      for (const title of ["fixed pool", "auto-scale pool", "priority pool", "rate pool, API limit"]) {
        const [requests, failures, , , , , size] = row(stdout, title)
        assert.deepStrictEqual([requests, failures, size], ["40", "0", "4"], title)
      }
      const sizes = /Sizes of the auto-scale pool: (.*)\./.exec(stdout)![1]!.split(" → ").map(Number)
      assert.deepStrictEqual([sizes[0], sizes.at(-1)], [2, 4])
      assert.deepStrictEqual(
        sizes,
        sizes.toSorted((a, b) => a - b)
      )
      assert.include(
        stdout,
        `Sent all at once, ${failures} of 40 requests failed; ` +
          "behind a task pool of at most 4 workers none failed, and every body matched the file on disk."
      )
      assert.match(
        stdout,
        /40 files of effect, compressed and hashed[^]*on 2 worker threads[^]*Both gave the same bytes\./
      )
      // Without a terminal there are plain lines only.
      assert.notInclude(stdout, "\u001B")
      assert.notInclude(stdout, "\r")
    })
  )

  demoTest("a pool with a rate loses nothing where a fixed pool exceeds the rate limit", () =>
    Effect.gen(function* () {
      const flags = ["--files", "16", "--rate", "4", "--cost", "1", "--only", "api-fixed", "--only", "api-rate"]
      const { exitCode, stderr, stdout } = yield* run(...flags)
      assert.strictEqual(stderr, "")
      assert.strictEqual(exitCode, 0)
      const [requests, failures] = row(stdout, "fixed pool, API limit")
      assert.strictEqual(requests, "16")
      // None would fail only if 16 requests took 3 seconds.
      assert.isAbove(Number(failures), 0)
      const [, none, seconds] = row(stdout, "rate pool, API limit")
      assert.strictEqual(none, "0")
      // The last four start three windows of 1.25 s after the first four, on any machine.
      assert.isAtLeast(Number(seconds), 3.7)
      // With a rate none is rejected, unless a request needs a quarter of a second to arrive.
      const rejected = /rate limit rejected (\d+) of the fixed pool, API limit and (\d+) of the rate pool/.exec(stdout)!
      assert.strictEqual(rejected[1], failures)
      assert.isBelow(Number(rejected[2]), Number(failures) / 2)
      assert.include(
        stdout,
        `Against the rate limit ${failures} of 16 requests failed behind a fixed pool, and 0 behind a pool with a rate.`
      )
    })
  )

  demoTest("a pool that is too large for the server ends the demo with exit code 1", () =>
    Effect.gen(function* () {
      const flags = ["--files", "40", "--limit", "1", "--size", "20", "--cost", "50", "--only", "fixed"]
      const { exitCode, stderr, stdout } = yield* run(...flags)
      const [, failures] = row(stdout, "fixed pool")
      assert.isAbove(Number(failures), 0)
      assert.include(stderr, `fixed pool: ${failures} of 40 requests failed`)
      assert.strictEqual(exitCode, 1)
    })
  )

  demoTest("--dashboard shows the pools in the browser, and keeps some at work until it is stopped", () =>
    Effect.gen(function* () {
      const demo = yield* start("--dashboard", "--port", "0", "--files", "8", "--only", "fixed")
      const lines = demo.stdout.pipe(Stream.decodeText(), Stream.splitLines)
      // The dashboard's address comes first, and the long-lived pools after the report.
      let address = ""
      yield* Stream.runForEachWhile(lines, (line) =>
        Effect.sync(() => {
          address ||= /dashboard: (http:\S+)\/#token=/.exec(line)?.[1] ?? ""
          return !line.includes("until Ctrl-C")
        })
      )
      const names = HttpClient.get(`${address}/api/v1/pools`).pipe(
        Effect.flatMap(({ json }) => json),
        Effect.map((frame) => (frame as { pools: ReadonlyArray<{ id: string }> }).pools.map(({ id }) => id)),
        Effect.provide(FetchHttpClient.layer)
      )
      const found = yield* Effect.repeat(names, {
        until: (ids) => ids.length === 4,
        schedule: Schedule.spaced("50 millis")
      })
      assert.deepStrictEqual(found, ["search", "thumbnails", "newsletter", "archive"])
      yield* demo.kill({ killSignal: "SIGINT" })
      assert.strictEqual(Number(yield* demo.exitCode), 130)
    }).pipe(Effect.scoped)
  )

  it.live.skipIf(!hasPseudoTerminals)(
    "a terminal shows how far each way is, and what it did when Ctrl-C stops it",
    () =>
      Effect.promise(async () => {
        const flags = ["--files", "8", "--limit", "1", "--cost", "400", "--only", "at-once", "--only", "fixed"]
        const demo = await runOnTerminal([process.execPath, program, ...flags])
        await demo.until((lines) => lines.some((line) => /^fixed pool +[█░]+ +\d+ % +[1-7] of 8 /.test(line)))
        demo.press("\u0003")
        assert.strictEqual(await demo.exited, 130)
        const lines = await demo.lines()
        assert.isTrue(lines.some((line) => /^✓ everything at once: 8 of 8 in .* failed$/.test(line)))
        assert.isTrue(lines.some((line) => /✗ fixed pool: interrupted at [1-7] of 8 after /.test(line)))
      })
  )

  demoTest("Ctrl-C ends the demo and its server", () =>
    Effect.gen(function* () {
      const { address, demo } = yield* startUntilServing(...lasting)
      assert.isTrue(yield* isServing(address))
      yield* demo.kill({ killSignal: "SIGINT" })
      assert.strictEqual(Number(yield* demo.exitCode), 130)
      assert.isFalse(yield* isServing(address))
    }).pipe(Effect.scoped)
  )

  demoTest("the server ends when the demo is killed", () =>
    Effect.gen(function* () {
      const { address, demo } = yield* startUntilServing(...lasting)
      assert.isTrue(yield* isServing(address))
      yield* demo.kill({ killSignal: "SIGKILL" })
      yield* awaitNotServing(address)
    }).pipe(Effect.scoped)
  )
})
