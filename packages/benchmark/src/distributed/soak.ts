/** Submits tasks for minutes while workers are killed, and prints all that is known of each task without its result. */
import { RedisServer } from "@aio-task-pool/testing/RedisServer"
import { Effect } from "effect"
import { Redis } from "ioredis"
import { loadavg } from "node:os"
import { spawn, type WorkerProcess } from "./processes.ts"
import { type SoakAnswer, SoakRecord } from "./soakRecord.ts"
import { Noop, Pool, poolOf } from "./tasks.ts"

export interface SoakOptions {
  readonly minutes: number
  /** Milliseconds, as the next two. The stalled check is a third of it. */
  readonly lease: number
  /** The time between two kills. */
  readonly killEvery: number
  /** The time between two tasks. */
  readonly submitEvery: number
  /** Whether workers are stopped for longer than their lease again and again, as on a machine that is overloaded. */
  readonly freezes: boolean
}

const name = "soak"
/** The default of `worker`. */
const maxDeaths = 3

export const soak = Effect.fnUntraced(function* ({ freezes, killEvery, lease, minutes, submitEvery }: SoakOptions) {
  const { url } = yield* RedisServer
  const millis = minutes * 60_000
  const record = new SoakRecord(Math.ceil(millis / submitEvery), maxDeaths)
  const start = Effect.map(
    spawn({ kind: "typed", url, name, lease, stalledCheck: Math.ceil(lease / 3), tellsRuns: true }),
    (worker) => {
      worker.onRun = (run) => record.ran(run)
      return worker
    }
  )
  const workers: Array<WorkerProcess> = [yield* start, yield* start, yield* start]
  const raw = yield* Effect.acquireRelease(
    Effect.sync(() => new Redis(url)),
    (client) => Effect.sync(() => client.disconnect())
  )
  let kills = 0
  /** Milliseconds since the start of the soak. */
  let began = 0

  /** Prints the runs of a task, its job, and its events. */
  const explain = Effect.fnUntraced(function* (i: number, { answer, id, outcome, runs }: SoakAnswer) {
    const seconds = ((performance.now() - began) / 1000).toFixed(1)
    console.log(`task ${i} ${outcome}: ${answer}, after ${seconds} s, load ${loadavg()[0]!.toFixed(1)}`)
    for (const { attempt, pid, stalls } of runs) console.log(`  ran in ${pid}: attempt ${attempt}, stalls ${stalls}`)
    if (id === undefined) return
    const jobId = `u.${Buffer.from(id).toString("base64url")}`
    const [job, events] = yield* Effect.promise(() =>
      Promise.all([raw.hgetall(`aio:${name}:${jobId}`), raw.xrange(`aio:${name}:events`, "-", "+")])
    )
    console.log(`  job ${JSON.stringify(job)}`)
    for (const [at, fields] of events) if (fields[3] === jobId) console.log(`  ${at} ${fields.join(" ")}`)
  })

  const submitOne = (i: number) =>
    Effect.flatMap(Effect.exit(Pool.submit(Noop, { i })), (exit) => {
      const settled = record.settled(i, exit)
      return settled.outcome === "right" ? Effect.void : explain(i, settled)
    })

  /** Stops one worker after the other for one to three leases. */
  const freezing = Effect.gen(function* () {
    for (let i = 0; ; i++) {
      const { child } = workers[i % workers.length]!
      child.kill("SIGSTOP")
      yield* Effect.sleep(lease * (1 + 2 * Math.random()))
      child.kill("SIGCONT")
    }
  })

  const body = Effect.gen(function* () {
    if (freezes) yield* Effect.forkScoped(Effect.andThen(Effect.yieldNow, freezing))
    let heapAt = 0
    began = performance.now()
    let nextKill = began + killEvery
    while (performance.now() < began + millis) {
      const due = Math.floor((performance.now() - began) / submitEvery)
      while (record.submitted < due) yield* Effect.forkScoped(submitOne(record.submit()))
      if (performance.now() > nextKill) {
        nextKill += killEvery
        const at = kills++ % workers.length
        workers[at]!.child.kill("SIGKILL")
        workers[at] = yield* start
      }
      if (heapAt === 0 && performance.now() - began > Math.min(30_000, millis / 2)) {
        globalThis.gc?.()
        heapAt = process.memoryUsage().heapUsed
      }
      yield* Effect.sleep(submitEvery)
    }
    // The last worker that was stopped continues.
    for (const { child } of workers) child.kill("SIGCONT")
    while (record.unanswered > 0) yield* Effect.sleep(5)
    globalThis.gc?.()
    const grown = (process.memoryUsage().heapUsed - heapAt) / 1e6
    const whole = (value: number) => value.toLocaleString("en")
    const { poisoned, right, wrong } = record.outcomes
    console.log(
      `\nsoak of ${minutes} minutes, lease ${lease / 1000} s, load ${loadavg()[0]!.toFixed(0)}: ` +
        `${whole(record.submitted)} submitted, ${whole(right)} right, ${wrong} wrong, ${poisoned} poisoned, ` +
        `${record.unanswered} open, ${whole(record.again)} runs repeated, ${kills} workers killed, ` +
        `heap ${grown >= 0 ? "+" : ""}${grown.toFixed(1)} MB`
    )
  })
  yield* Effect.provide(Effect.scoped(body), poolOf(url, name))
  if (record.outcomes.wrong > 0) process.exitCode = 1
})
