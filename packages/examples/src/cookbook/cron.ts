// Starts a job every 50 milliseconds, unless the last run has not ended.
import { AioFixedTaskPoolSimple, TaskPool } from "@aio-task-pool/core"
import { Effect, Schedule } from "effect"
import { appendFile, mkdtemp, readFile, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"

const folder = await mkdtemp(join(tmpdir(), "cron-"))
const log = join(folder, "log.txt")
let skipped = 0

// A run takes longer than the interval. Two runs at once would mix their lines.
const job = Effect.promise(async (signal) => {
  await appendFile(log, "begin\n")
  await sleep(120, undefined, { signal })
  await appendFile(log, "end\n")
})

// There is one worker and no queue: if the worker is busy, this run is skipped.
const tick = TaskPool.submitNowait(job, { label: "nightly" }).pipe(
  Effect.asVoid,
  Effect.catchTag("NotAvailable", ({ reason }) => Effect.sync(() => void (reason === "QueueFull" && skipped++)))
)

// `Schedule.cron("0 3 * * *")` would start it at three in the morning. Twenty ticks are enough here.
const program = Effect.repeat(tick, { schedule: Schedule.fixed("50 millis"), times: 19 })

// When the schedule ends, the pool waits for the last run.
const pool = AioFixedTaskPoolSimple.layer(1, { capacity: 0, shutdown: { drainTimeout: "1 minute" } })
await Effect.runPromise(Effect.provide(program, pool))

const lines = (await readFile(log, "utf8")).trimEnd().split("\n")
await rm(folder, { recursive: true })
const overlaps = lines.filter((line, i) => line !== (i % 2 === 0 ? "begin" : "end")).length
console.log(`20 ticks: ${lines.length / 2} runs, ${skipped} skipped, ${overlaps} overlaps`)
