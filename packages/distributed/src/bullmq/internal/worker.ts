/**
 * Runs tasks of a pool in this process, on BullMQ's worker: it fetches jobs, renews their leases and stores results.
 *
 * | why a run is interrupted      | what becomes of the task                                               |
 * | ----------------------------- | ---------------------------------------------------------------------- |
 * | `Cancel`: a handle cancels it | it settles as cancelled, after its finalizers                          |
 * | `Lost`: its lease was lost    | another worker has it. BullMQ's fence refuses to hand it back          |
 * | `HandBack`: the worker closes | it goes back to the front of the queue, and the attempt does not count |
 *
 * Cancel messages arrive by the control stream and are repeated until the task has settled. One may come before the job
 * that it is for, so the last ones are kept.
 */
import { DelayedError, type Job, UnrecoverableError, WaitingError, Worker } from "bullmq"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import type { Fiber } from "effect/Fiber"
import type { Json } from "effect/Schema"
import * as Random from "effect/Random"
import type { Scope } from "effect/Scope"
import * as Tracer from "effect/Tracer"
import type { Redis } from "ioredis"
import type { RunResult, WorkerSpec } from "../../internal/driver.ts"
import type { Answer } from "../../internal/wire.ts"
import { logWarning } from "../../internal/log.ts"
import { Signal } from "../../internal/signal.ts"
import { wireFormat } from "../../internal/codec.ts"
import type { Broker } from "./broker.ts"
import { callback, guarded } from "../../internal/callback.ts"
import { Connections } from "./connections.ts"
import type { Control } from "./control.ts"
import type { Meter } from "./meter.ts"
import { taskIdOf } from "./keys.ts"
import { ended, whenSettled } from "./promises.ts"
import { runScript } from "./scripts.ts"
import { timerMillis } from "./timers.ts"
import { workerName } from "./workerNames.ts"

interface Run {
  readonly job: Job
  readonly fiber: Fiber<RunResult>
  why: "Cancel" | "Lost" | "HandBack" | undefined
}

/** What a worker needs of its driver. */
export interface WorkerHost {
  readonly broker: Broker
  readonly control: Control
  readonly connect: () => Redis
  readonly prefix: string
  readonly meter: Meter | undefined
}

const keptCancels = 1000
/** How long a cancel message waits for its job, in milliseconds. Later, the ID may be of another task. */
const cancelFor = 3000
/** How long a task waits that this worker cannot run, in milliseconds: the first time, and at most. */
const absence = { first: 50, longest: 1000 }
/** How long a handler waits until the broker has a progress value, in milliseconds. */
const longestReport = 1000
/** How often a worker tells which tasks it knows, in milliseconds. */
const tellInterval = 500
/** How long what a worker has told counts at least, in milliseconds: its next message may be late. */
const toldFor = 2000

class PoolWorker extends Worker {
  /** Seconds by which this worker looks later for tasks whose delay has passed, so that others look first. */
  handicap: () => number = () => 0

  protected override getBlockTimeout(blockUntil: number): number {
    return super.getBlockTimeout(blockUntil) + this.handicap()
  }

  /**
   * Renews the lease of a task from now on. BullMQ does so when the task starts, and it starts none before all its fetches
   * have answered: one after the other, as many as tasks may run at once.
   */
  renew(job: Job): void {
    this.lockManager.trackJob(job.id!, job.token!, job.processedOn!)
  }

  /** Called when BullMQ has ended the renewal of a job's lease, by the job's ID alone. */
  onProcessed: (jobId: string) => void = () => {}

  override processJob(...args: Parameters<Worker["processJob"]>): ReturnType<Worker["processJob"]> {
    return super.processJob(...args).finally(() => this.onProcessed(args[0].id!))
  }

  /** Ends the renewal of leases. Its timer would keep the process alive if `close` does not end. */
  endRenewal(): Promise<void> {
    return this.lockManager.close()
  }
}

/** Starts a worker, which ends with the scope. */
export const runWorker = Effect.fnUntraced(function* (
  { broker, connect, control, meter, prefix }: WorkerHost,
  spec: WorkerSpec
): Effect.fn.Return<void, never, Scope> {
  // The span in which the layer was built ends before the tasks.
  const context = Context.omit(Tracer.ParentSpan)(yield* Effect.context())
  const clock = yield* Clock.Clock
  const random = yield* Random.Random
  const runFork = Effect.runForkWith(context)
  const log = (message: string, ...cause: ReadonlyArray<unknown>) =>
    void runFork(Effect.logWarning(`${broker.name}: ${message}`, ...cause))

  const name = workerName(spec.concurrency)
  const runs = new Map<string, Run>()
  /** Cancel messages of jobs that this worker has not fetched, and when they came. */
  const cancels = new Map<string, number>()
  /** Tasks that this worker cannot run: since when no worker is known that can, and how long the task waits next. */
  const unknown = new Map<string, { since: number; absence: number }>()
  let lastUnknown = -Infinity
  let isClosing = false

  const attempt = (job: Job, token: string): Promise<unknown> => {
    const jobId = job.id!
    // The job may have been fetched while the worker began to close.
    if (isClosing) return handBack(job, token)
    const cancelledAt = cancels.get(jobId)
    cancels.delete(jobId)
    if (cancelledAt !== undefined && performance.now() - cancelledAt < cancelFor) {
      return settle({ cancelled: "Cancelled", started: false }, jobId)
    }
    const id = taskIdOf(jobId) ?? jobId
    const startedAt = performance.now()
    const epoch = meter?.started() ?? 0
    const result = spec.run({
      id,
      name: job.name,
      data: job.data as unknown,
      attempt: job.attemptsMade + 1,
      stalls: job.stalledCounter,
      progress: (value) => report(job, value)
    })
    // The handler begins when its fiber has an observer: it may add one of its own, which throws.
    const begins = new Signal()
    const fiber = runFork(Effect.andThen(begins.sent, result))
    const run: Run = { job, fiber, why: undefined }
    runs.set(jobId, run)
    const exited = new Promise<Exit.Exit<RunResult>>((resolve) => fiber.addObserver(resolve))
    begins.send()
    return exited.then((exit) => {
      // A task whose lease ended may run here again already, before its first copy has ended.
      if (runs.get(jobId) === run) runs.delete(jobId)
      meter?.ended(exit._tag === "Success" ? exit.value : undefined, performance.now() - startedAt, epoch)
      if (exit._tag === "Success") return end(job, token, exit.value)
      switch (run.why) {
        case "Cancel":
          return settle({ cancelled: "Cancelled", started: true }, jobId)
        case "HandBack":
        // BullMQ names a lost lease by the job's ID, so the task may run here again with a lease of its own. Handing it
        // back is refused with a lost lease, and loses nothing otherwise.
        case "Lost":
          return handBack(job, token)
        default:
          // `run` promises not to die. If it does, the task must not run forever.
          log(`a task died outside of its handler`, exit.cause)
          return settle({ lost: "Undecodable", attempts: job.attemptsMade + 1, detail: "the worker failed" }, jobId)
      }
    })
  }

  /** Reports progress. A handler must not stand still for it while the broker is away or does not answer. */
  const report = (job: Job, value: Json): Effect.Effect<void> =>
    Effect.suspend(() =>
      broker.isUp
        ? Effect.asVoid(
            Effect.timeoutOption(
              ended(() => job.updateProgress(value as object)),
              longestReport
            )
          )
        : Effect.void
    )

  const end = (job: Job, token: string, result: RunResult): Promise<unknown> => {
    if (result._tag === "Unknown") return putOff(job, token, result.detail)
    if (result.exit._tag === "Success") return Promise.resolve(result.answer)
    // BullMQ tries again as often as the task's `attempts` say. The last failure is the answer.
    if (result.retry) return Promise.reject(failure(Error, result.answer))
    return settle(result.answer, job.id!)
  }

  /** Settles a task without success, for good. */
  const settle = (answer: Answer, jobId: string): Promise<never> => {
    const id = taskIdOf(jobId) ?? jobId
    if ("cancelled" in answer) control.tell("Cancelled", { id, reason: answer.cancelled, started: answer.started })
    if ("lost" in answer) control.tell("TaskLost", { id, reason: answer.lost })
    return Promise.reject(failure(UnrecoverableError, answer))
  }

  const handBack = (job: Job, token: string): Promise<never> =>
    job.moveToWait(token).then(
      () => {
        control.wake()
        return Promise.reject(new WaitingError())
      },
      // The lease ends by itself, and the task runs again then.
      () => Promise.reject(new WaitingError())
    )

  /** Hands a task back that this worker cannot run. At once, it would come here again. */
  const putOff = (job: Job, token: string, detail: string): Promise<never> => {
    const jobId = job.id!
    const now = performance.now()
    lastUnknown = now
    const met = unknown.get(jobId) ?? { since: now, absence: absence.first }
    unknown.set(jobId, met)
    if (unknown.size > keptCancels) unknown.delete(unknown.keys().next().value!)
    const delay = (): Promise<never> => {
      const until = clock.currentTimeMillisUnsafe() + met.absence
      met.absence = Math.min(absence.longest, 1.5 * met.absence)
      const delayed = () => Promise.reject(new DelayedError())
      return job.moveToDelayed(until, token).then(delayed, delayed)
    }
    if (now - met.since < spec.unknownFor) return delay()
    // A worker that knows the task may be busy, or have run it meanwhile.
    return runScript(broker.client, "knownSince", [broker.keys.known], [knownName(job)]).then(([millis]) => {
      if (typeof millis === "number" && millis < Math.max(toldFor, spec.unknownFor)) {
        met.since = now - millis
        return delay()
      }
      unknown.delete(jobId)
      return settle({ lost: "UnknownTask", attempts: job.attemptsMade, detail }, jobId)
    }, delay)
  }

  /** Tells the others which tasks this worker knows. Workers that do not know a task ask for it. */
  const tellNames = (): void => {
    if (broker.isUp && spec.names.length > 0) {
      const names = spec.names.map((name) => `${wireFormat} ${name}`)
      whenSettled(runScript(broker.client, "know", [broker.keys.known], names), () => {})
    }
  }

  const interrupt = (jobId: string, why: NonNullable<Run["why"]>): void => {
    const run = runs.get(jobId)
    if (run === undefined || run.why !== undefined) return
    run.why = why
    guarded(context, () => run.fiber.interruptUnsafe())
  }

  const cancel = (jobId: string): void => {
    if (runs.has(jobId)) return interrupt(jobId, "Cancel")
    cancels.set(jobId, performance.now())
    if (cancels.size > keptCancels) cancels.delete(cancels.keys().next().value!)
  }

  /** Waits until no handler runs. */
  const allEnded: Effect.Effect<void> = Effect.suspend(() =>
    runs.size === 0
      ? Effect.void
      : Effect.andThen(
          Effect.forEach([...runs.values()], ({ fiber }) =>
            callback<void>((resume) => {
              const stop = fiber.addObserver(() => resume(Effect.void))
              return Effect.sync(stop)
            })
          ),
          allEnded
        )
  )

  let telling: ReturnType<typeof setInterval> | undefined
  const close = Effect.fnUntraced(function* (worker: PoolWorker) {
    isClosing = true
    clearInterval(telling)
    // Fetches no more jobs, and goes on renewing leases. A fetch that is under way is handed back.
    yield* ended(() => worker.pause(true))
    yield* Effect.timeoutOption(allEnded, spec.drainTimeout)
    for (const jobId of runs.keys()) interrupt(jobId, "HandBack")
    // Without force, BullMQ waits until all results are stored. It would wait for a broker that is away, too.
    const closed = ended(() => worker.close(!broker.isUp))
    yield* Effect.timeoutOption(Effect.andThen(allEnded, closed), spec.interruptTimeout)
    if (runs.size > 0) {
      const names = [...runs.keys()].map((jobId) => taskIdOf(jobId) ?? jobId).join(", ")
      yield* logWarning(`${broker.name}: tasks did not end within the interruptTimeout: ${names}`)
    }
    control.offCancel(cancel)
    control.tell("WorkerLeft", { worker: name })
    control.wake()
    yield* ended(() => worker.endRenewal())
    // Ends when `own` is cut.
    void worker.close(true).catch(() => undefined)
  })

  // Connections of its own, because BullMQ's `close` does not end while the broker is away: cutting them ends it.
  const own = yield* Effect.acquireRelease(
    Effect.sync(() => new Connections(connect)),
    (own) => Effect.sync(() => own.cut())
  )
  const open = (): PoolWorker => {
    const worker = new PoolWorker(broker.name, (job, token) => attempt(job, token ?? ""), {
      connection: own.connect(),
      prefix,
      name,
      autorun: false,
      concurrency: spec.concurrency,
      lockDuration: spec.lease,
      lockRenewTime: timerMillis(spec.lease / 2),
      stalledInterval: timerMillis(spec.stalledCheck),
      maxStalledCount: spec.maxDeaths - 1,
      // How long an idle worker sleeps if it misses a wake-up, and how long a broken command waits.
      drainDelay: 1,
      runRetryDelay: 1000
    })
    // Redis wakes the worker with the oldest connection first. It would take the same unknown task forever.
    worker.handicap = () =>
      performance.now() - lastUnknown > 5 * absence.longest ? 0 : 0.02 + 0.08 * random.nextDoubleUnsafe()
    worker.on("error", (error) => {
      if (!isConnectionError(error)) log(`the worker ${name} reported: ${error.message}`)
    })
    worker.on("active", (job) => worker.renew(job))
    worker.onProcessed = (jobId) => {
      const newer = runs.get(jobId)
      if (newer !== undefined) worker.renew(newer.job)
    }
    worker.on("lockRenewalFailed", (jobIds) => {
      for (const jobId of jobIds) interrupt(jobId, "Lost")
    })
    // A job that stalled too often is failed without a run.
    worker.on("failed", (job, error) => {
      if (job?.id !== undefined && error.message === "job stalled more than allowable limit") {
        control.tell("TaskLost", { id: taskIdOf(job.id) ?? job.id, reason: "Poisoned" })
      }
    })
    control.onCancel(cancel)
    return worker
  }
  // One step: nothing would close a worker that is made before its finalizer is added.
  const worker = yield* Effect.acquireRelease(Effect.sync(open), close)
  // The pool's record says whether this process may take its tasks.
  const started = Effect.suspend(() => {
    if (isClosing || !broker.isUp) return Effect.void
    tellNames()
    telling = setInterval(tellNames, tellInterval)
    worker.run().catch((error: Error) => log(`the worker ${name} ended: ${error.message}`))
    control.tell("WorkerJoined", { worker: name })
    return ended(() => worker.waitUntilReady())
  })
  const up = callback<void>((resume) => {
    const stop = broker.whenUp(() => resume(Effect.void))
    return Effect.sync(stop)
  })
  const starting = yield* Effect.forkScoped(Effect.andThen(up, started))
  // A worker whose broker is away starts later.
  yield* Effect.timeoutOption(
    callback<void>((resume) => {
      const stop = starting.addObserver(() => resume(Effect.void))
      return Effect.sync(stop)
    }),
    broker.isUp ? broker.connectTimeout : broker.patience
  )
})

/** The task of a job, and its format: a worker may know the task in an older format only. */
const knownName = ({ data, name }: Job): string => {
  const f: unknown = typeof data === "object" && data !== null && "f" in data ? data.f : undefined
  return `${typeof f === "number" ? f : wireFormat} ${name}`
}

/** An answer as the message of an error: BullMQ stores it, retries by it, and tells submitters of it. */
const failure = (Kind: new (message: string) => Error, answer: Answer): Error => new Kind(JSON.stringify(answer))

/** The broker's state says that the connection is down. */
const isConnectionError = (error: Error): boolean =>
  /Connection is closed|ECONN|EPIPE|ETIMEDOUT|Stream isn't writeable|aborted due to connection/i.test(
    `${error.message} ${(error as NodeJS.ErrnoException).code ?? ""}`
  )
