/** Starts, freezes and kills the processes of a fault test, and reads what they tell. */
import { RedisServer } from "@aio-task-pool/testing/RedisServer"
import { assert } from "@effect/vitest"
import { Effect, type Scope } from "effect"
import { type ChildProcess, fork } from "node:child_process"
import { fileURLToPath } from "node:url"
import { eventually, rawClient } from "../kit.ts"
import { clientName, type Config, memberPrefix, type Message, type Order } from "./protocol.ts"

const program = fileURLToPath(new URL("./program.ts", import.meta.url))

/** A process of the pool. */
export interface Program {
  readonly pid: number
  readonly messages: ReadonlyArray<Message>
  /** Waits until the process has told something that fits. */
  readonly told: (fits: (message: Message) => boolean) => Effect.Effect<Message>
  readonly started: (key: string) => Effect.Effect<Message>
  readonly tell: (order: Order) => void
  /** Ends the process with SIGKILL, waits until it is gone, and takes its tasks out of the count. */
  readonly kill: Effect.Effect<void>
  readonly freeze: Effect.Effect<void>
  readonly thaw: Effect.Effect<void>
  /** Asks it to close, and waits until it has ended by itself. Returns its exit code. */
  readonly close: Effect.Effect<number | null>
  readonly exited: Effect.Effect<number | null>
}

const start = (config: Config): Program & { readonly child: ChildProcess } => {
  const child = fork(program, [], {
    env: { ...process.env, FAULT: JSON.stringify(config) },
    stdio: ["ignore", "inherit", "inherit", "ipc"]
  })
  const messages: Array<Message> = []
  const watchers = new Set<() => void>()
  const notify = () => {
    for (const watcher of Array.from(watchers)) watcher()
  }
  child.on("message", (message: Message) => {
    messages.push(message)
    notify()
  })
  let code: number | null | undefined
  child.once("exit", (exitCode) => {
    code = exitCode
    notify()
  })
  const wait = <A>(poll: () => A | undefined): Effect.Effect<A> =>
    Effect.callback((resume) => {
      const watcher = () => {
        const value = poll()
        if (value === undefined) return
        watchers.delete(watcher)
        resume(Effect.succeed(value))
      }
      watchers.add(watcher)
      watcher()
      return Effect.sync(() => watchers.delete(watcher))
    })
  const exited = Effect.map(
    wait(() => (code === undefined ? undefined : { code })),
    (ended) => ended.code
  )
  const signal = (name: NodeJS.Signals) => Effect.sync(() => void child.kill(name))
  const told = (fits: (message: Message) => boolean) => wait(() => messages.find(fits))
  return {
    child,
    pid: child.pid!,
    messages,
    told,
    started: (key) => told((message) => "started" in message && message.started === key),
    tell: (order) => void child.send(order),
    kill: Effect.andThen(signal("SIGKILL"), Effect.asVoid(exited)),
    freeze: signal("SIGSTOP"),
    thaw: signal("SIGCONT"),
    close: Effect.suspend(() => {
      child.send({ close: true } satisfies Order)
      return exited
    }),
    exited
  }
}

/** Makes the processes of one pool. All that are left end with the scope. */
export const world = Effect.fnUntraced(function* (shared: Omit<Config, "url">) {
  const { url } = yield* RedisServer
  const raw = yield* rawClient
  const programs: Array<Program> = []
  const inFlight = `${shared.name}-in-flight`

  const membersOf = (pid: number) =>
    Effect.promise(async () => {
      const members = await raw.smembers(inFlight)
      return members.filter((member) => member.startsWith(memberPrefix(pid)))
    })

  const spawn = (config: Partial<Config> = {}): Effect.Effect<Program, never, Scope.Scope> =>
    Effect.gen(function* () {
      const made = yield* Effect.acquireRelease(
        Effect.sync(() => start({ url, ...shared, ...config })),
        ({ child }) => Effect.sync(() => void child.kill("SIGKILL"))
      )
      // The server may still read what the process had written when it died.
      const isRead = eventually(
        Effect.promise(() => raw.call("CLIENT", "LIST") as Promise<string>),
        (clients) => !clients.includes(` name=${clientName(made.pid)} `)
      )
      const forget = Effect.andThen(
        isRead,
        Effect.flatMap(membersOf(made.pid), (members) =>
          Effect.promise(async () => (members.length === 0 ? 0 : raw.srem(inFlight, members)))
        )
      )
      const one: Program = { ...made, kill: Effect.andThen(made.kill, forget) }
      programs.push(one)
      // A task may kill it before that.
      yield* Effect.raceFirst(
        one.told((message) => "ready" in message),
        one.exited
      )
      return one
    })

  /** Checks that no more tasks were in flight than the limit allows. */
  const expectLimit = (limit: number) =>
    Effect.map(
      Effect.promise(() => raw.get(`${inFlight}-max`)),
      (max) => {
        assert.isAtMost(Number(max), limit, "tasks in flight")
        assert.isAbove(Number(max), 0)
      }
    )

  /** How often each task was started, over all processes. */
  const starts = (): Map<string, number> => {
    const counts = new Map<string, number>()
    for (const { messages } of programs) {
      for (const message of messages) {
        if ("started" in message) counts.set(message.started, (counts.get(message.started) ?? 0) + 1)
      }
    }
    return counts
  }

  /** Waits until a process runs no task. */
  const left = ({ pid }: Program) => eventually(membersOf(pid), (members) => members.length === 0)

  return { spawn, expectLimit, left, starts, raw, url }
})
