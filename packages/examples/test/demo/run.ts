/** Runs the demo as a process of its own. */
import { fileURLToPath } from "node:url"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, it } from "@effect/vitest"
import { Effect, Stream } from "effect"
import { ChildProcess } from "effect/process"

export const program = fileURLToPath(new URL("../../src/demo/main.ts", import.meta.url))
export const start = (...flags: ReadonlyArray<string>) => ChildProcess.make(process.execPath, [program, ...flags])

export const text = <E>(stream: Stream.Stream<Uint8Array, E>) => Stream.mkString(Stream.decodeText(stream))

/** Runs the demo to its end, without a terminal. */
export const run = (...flags: ReadonlyArray<string>) => Effect.scoped(runScoped(flags))

const runScoped = Effect.fnUntraced(function* (flags: ReadonlyArray<string>) {
  const demo = yield* start(...flags)
  const [stdout, stderr, exitCode] = yield* Effect.all([text(demo.stdout), text(demo.stderr), demo.exitCode], {
    concurrency: "unbounded"
  })
  return { stdout, stderr, exitCode: Number(exitCode) }
})

/** The cells of a row of the table, without its title. */
export const row = (stdout: string, title: string): ReadonlyArray<string> => {
  const line = stdout.split("\n").find((line) => line.startsWith(`${title}  `))
  assert.isDefined(line, `no row "${title}" in\n${stdout}`)
  return line.slice(title.length).trim().split(/\s+/)
}

// Real processes and sockets: real time.
export const demoTest = <E>(name: string, test: () => Effect.Effect<void, E, NodeServices.NodeServices>) =>
  it.live(name, () => Effect.provide(test(), NodeServices.layer))
