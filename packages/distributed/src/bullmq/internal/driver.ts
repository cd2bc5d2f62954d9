/**
 * The driver of a pool on BullMQ: composes the parts.
 *
 *     Submitter ──> Sender ──> queue ──> BullMQ's worker (any process) ──> event stream ──> Waiters ──> answer
 *
 * Connections of a process: one for commands, one for the control stream, one for events once it has submitted a task, and
 * two for each worker.
 */
import { Queue } from "bullmq"
import * as Effect from "effect/Effect"
import type { Scope } from "effect/Scope"
import type { Redis } from "ioredis"
import { randomBytes } from "node:crypto"
import type { PoolMismatch } from "../../DistributedTaskPoolError.ts"
import type { Driver } from "../../internal/driver.ts"
import { logWarning } from "../../internal/log.ts"
import { Broker, type PoolIdentity } from "./broker.ts"
import { Connections } from "./connections.ts"
import { Control } from "./control.ts"
import { interruptTimeout } from "./entry.ts"
import type { Meter } from "./meter.ts"
import { whenSettled } from "./promises.ts"
import { runScript } from "./scripts.ts"
import { Submitter } from "./submitter.ts"
import { Waiters } from "./waiters.ts"
import { runWorker } from "./worker.ts"
import { readWorkerName } from "./workerNames.ts"

/** What a driver needs to know. All of it is checked. */
export interface DriverOptions {
  readonly connect: () => Redis
  readonly prefix: string
  /** Milliseconds, as the other times. */
  readonly connectTimeout: number
  /** The server and its database, without credentials. */
  readonly server: string
  readonly pool: PoolIdentity
  readonly resultTtl: number
  readonly sweep: number
}

/** The driver, and what the sizing of an auto-scale pool needs of it. */
export interface BullMqDriver extends Driver {
  readonly broker: Broker
}

/** Opens a pool. Waits at most `connectTimeout` for the broker. Everything ends with the scope, and at once. */
export const makeDriver = Effect.fnUntraced(function* (
  options: DriverOptions,
  meter?: Meter
): Effect.fn.Return<BullMqDriver, PoolMismatch, Scope> {
  const { pool, prefix } = options
  const { name } = pool
  const context = yield* Effect.context()
  const runFork = Effect.runForkWith(context)
  const log = (message: string) => void runFork(Effect.logWarning(`${name}: ${message}`))

  const connections = new Connections(options.connect)
  yield* Effect.addFinalizer(() => Effect.sync(() => connections.cut()))
  const broker: Broker = new Broker(connections.connect(), pool, options, (isUp) => {
    control.emit({ _tag: isUp ? "Reachable" : "Unreachable" })
    submitter.sender.onContact(isUp)
    if (broker.mismatch !== undefined) waiters.lose()
    if (!isUp) return
    control.start()
    waiters.askEverything()
    checkPolicy(broker.client)
  })
  meter?.attach(broker)
  const control = new Control(broker, connections)
  const queue = new Queue(name, { connection: broker.client, prefix, skipMetasUpdate: true })
  queue.on("error", () => {})
  const waiters = new Waiters(broker, connections, options.sweep, (id, answer) => {
    if ("lost" in answer && answer.lost === "Vanished") control.emit({ _tag: "TaskLost", id, reason: "Vanished" })
  })
  const submitter = new Submitter(broker, control, queue, waiters, log, { ...options, discipline: pool.discipline })

  let policyChecked = false
  /** BullMQ's data must not be evicted. A server may forbid the question. */
  const checkPolicy = (client: Redis): void => {
    if (policyChecked) return
    policyChecked = true
    whenSettled(client.info("memory"), (info) => {
      const policy = /maxmemory_policy:(\S+)/.exec(info)?.[1]
      if (policy !== undefined && policy !== "noeviction") {
        log(`Redis evicts keys (maxmemory-policy ${policy}), so tasks may be lost: set it to noeviction`)
      }
    })
  }

  const hold = (on: "0" | "1") => Effect.asVoid(broker.script("hold", ["heldByUser", on]))

  const pause = (on: "0" | "1") =>
    Effect.map(broker.script("pause", [on]), () => {
      if (broker.record !== undefined) broker.record = { ...broker.record, paused: on === "1" }
    })

  const stats = Effect.map(
    broker.command(() =>
      Promise.all([
        queue.getJobCounts("active", "wait", "prioritized", "delayed", "completed", "failed"),
        // A user of the server may not be allowed to list its clients.
        queue.getWorkers().catch(() => []),
        broker.client.hmget(broker.keys.pool, "size", "heldByUser", "heldByPolicy")
      ])
    ),
    ([counts, workers, [size, heldByUser, heldByPolicy]]) => ({
      targetSize: Number(size ?? pool.size),
      held: heldByUser === "1" || heldByPolicy === "1",
      running: counts["active"] ?? 0,
      waiting: (counts["wait"] ?? 0) + (counts["prioritized"] ?? 0),
      delayed: counts["delayed"] ?? 0,
      workers: workers.length,
      keptSucceeded: counts["completed"] ?? 0,
      keptFailed: counts["failed"] ?? 0
    })
  )

  const workers = Effect.map(
    broker.command(() =>
      Promise.all([queue.getWorkers().catch(() => []), runScript(broker.client, "running", [broker.keys.base], [])])
    ),
    ([clients, counts]) => {
      const running = new Map<unknown, number>()
      for (let i = 0; i + 1 < counts.length; i += 2) running.set(counts[i], Number(counts[i + 1]))
      // A client's name is that of its queue and, behind the last colon, that of the worker.
      const names = new Set(clients.map(({ rawname = "" }) => rawname.slice(rawname.lastIndexOf(":") + 1)))
      return [...names].flatMap((name) => {
        const worker = readWorkerName(name)
        return worker === undefined ? [] : [{ ...worker, running: running.get(name) ?? 0 }]
      })
    }
  )

  const admission = () => {
    if (broker.isClosed || submitter.isCancelling) return "Closed"
    return broker.record?.paused === true ? "Paused" : "Open"
  }

  const close = (mode: "keep" | "cancel"): Effect.Effect<void> =>
    Effect.suspend(() => {
      if (broker.isClosed) return Effect.void
      const end = Effect.sync(() => {
        broker.close()
        submitter.sender.close()
        waiters.close()
        control.endEvents()
      })
      if (mode === "keep") return end
      // Without the broker nothing can be cancelled.
      return broker.isUp ? Effect.andThen(Effect.timeoutOption(submitter.cancelAll, interruptTimeout), end) : end
    })

  // One step: a broker that nothing closes would poll forever.
  yield* Effect.acquireRelease(
    Effect.sync(() => broker.start()),
    () =>
      Effect.ensuring(
        close("keep"),
        Effect.sync(() => control.end())
      )
  )
  yield* Effect.ignore(Effect.catchDefect(broker.ready, () => Effect.void))
  if (broker.mismatch !== undefined) return yield* broker.mismatch
  if (!broker.isUp) yield* logWarning(`${name}: the broker does not answer yet: ${broker.lastError}`)

  return {
    broker,
    name,
    identity: `${options.server} ${prefix} ${name}`,
    submitter: randomBytes(6).toString("base64url"),
    add: (task, restore) => submitter.add(task, restore),
    find: (id) => submitter.find(id),
    resize: (change) => {
      const [mode, amount] = "delta" in change ? ["scale", change.delta] : ["resize", change.size]
      const token = randomBytes(9).toString("base64url")
      return Effect.map(broker.script("resize", [mode, amount, token] as const), ([, to]) => Number(to))
    },
    hold: hold("1"),
    release: hold("0"),
    pause: pause("1"),
    resume: pause("0"),
    stats,
    workers,
    admission,
    events: control.events,
    close,
    work: (spec) => runWorker({ broker, connect: options.connect, control, prefix, meter }, spec)
  }
})
