/**
 * A process of a distributed pool, which the fault tests start, freeze and kill. It works or submits, tells its parent what
 * happens, and ends by itself when it is asked to close.
 */
import { Deferred, Effect, Layer } from "effect"
import { BullMq } from "@aio-task-pool/distributed/bullmq"
import { Redis } from "ioredis"
import { existsSync } from "node:fs"
import { kinds, Pool, Stranger, Work } from "../kit.ts"
import {
  clientName,
  type Config,
  enterScript,
  leaveScript,
  memberPrefix,
  type Message,
  type Order
} from "./protocol.ts"

const config = JSON.parse(process.env["FAULT"]!) as Config

// BullMQ and Effect read the clock of the process by this function.
const { clockOffset = 0 } = config
if (clockOffset !== 0) {
  const now = Date.now.bind(Date)
  Date.now = () => now() + clockOffset
}

const tell = (message: Message) => void process.send?.(message)

const raw = new Redis(config.url, { maxRetriesPerRequest: null, connectionName: clientName(process.pid) })
raw.on("error", () => {})
const inFlight = `${config.name}-in-flight`
const opened = new Map<string, Deferred.Deferred<void>>()
const gate = (key: string): Deferred.Deferred<void> => {
  const known = opened.get(key)
  if (known !== undefined) return known
  const made = Deferred.makeUnsafe<void>()
  opened.set(key, made)
  return made
}

/** What the key asks for stands before its first dash. */
const behave = (key: string): Effect.Effect<void> => {
  switch (key.split("-")[0]) {
    case "gate":
      return Deferred.await(gate(key))
    case "poison":
      return Effect.sync(() => process.kill(process.pid, "SIGKILL"))
    case "block":
      if (config.blockUntil === undefined) return Deferred.await(gate(key))
      return Effect.sync(() => {
        while (!existsSync(config.blockUntil!));
      })
    case "slow":
      return Effect.sleep(20)
    default:
      return Effect.void
  }
}

const count = (script: string, member: string) => Effect.promise(() => raw.eval(script, 1, inFlight, member))
let entered = 0

const handler = Work.handle(({ key }, { attempt, stalls }) => {
  const member = memberPrefix(process.pid) + entered++
  return Effect.gen(function* () {
    yield* count(enterScript, member)
    tell({ started: key, attempt, stalls })
    yield* behave(key)
    return key
  }).pipe(
    Effect.onInterrupt(() => Effect.sync(() => tell({ interrupted: key }))),
    Effect.ensuring(count(leaveScript, member)),
    Effect.tap(() => Effect.sync(() => tell({ ended: key })))
  )
})
const handlers = config.unknown === true ? [Stranger.handle(() => Effect.succeed("known"))] : [handler]

const { name, prefix, size = 4, url } = config
const pool = kinds[config.kind ?? "Simple"].layer({
  tag: Pool,
  name,
  size,
  resultTtl: "10 hours",
  sweep: config.sweep ?? 500
})
const connected = Layer.provide(
  pool,
  BullMq.layer({ url, connectTimeout: config.connectTimeout ?? 60_000, ...(prefix === undefined ? {} : { prefix }) })
)
const { concurrency = 4 } = config
const worker = Pool.worker(handlers, {
  concurrency: Math.max(1, concurrency),
  lease: config.lease ?? 15_000,
  stalledCheck: config.stalledCheck ?? 500,
  maxDeaths: config.maxDeaths ?? 3,
  shutdown: { drainTimeout: config.drainTimeout ?? 1000, interruptTimeout: 1000 }
})

const submitAll = Effect.forEach(config.submit ?? [], (key) => Pool.fork(Work, { key }, { id: key }), { discard: true })

const asked = Deferred.makeUnsafe<void>()
process.on("message", (order: Order) => {
  if ("open" in order) Deferred.doneUnsafe(gate(order.open), Effect.void)
  else Deferred.doneUnsafe(asked, Effect.void)
})

const body = Effect.gen(function* () {
  tell({ ready: true })
  yield* submitAll
  if (config.submit !== undefined) tell({ submitted: true })
  yield* Deferred.await(asked)
})

Effect.runPromise(
  body.pipe(
    Effect.provide(concurrency === 0 ? Layer.empty : worker),
    Effect.provide(connected),
    Effect.scoped
  ) as Effect.Effect<void>
).then(
  () => {
    tell({ closed: true })
    // From here on only what the library left behind could keep the process alive.
    raw.disconnect()
    return process.disconnect()
  },
  (error: unknown) => {
    console.error(error)
    return process.exit(1)
  }
)
