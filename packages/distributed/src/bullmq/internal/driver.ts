/**
 * The driver of a pool on BullMQ: composes the parts, and makes the entries by which a process sees its tasks.
 *
 *     add ──> Sender ──> queue ──> BullMQ's worker (any process) ──> event stream ──> Waiters ──> answer
 *
 * Connections of a process: one for commands, one for the control stream, one for events once it has submitted a task, and
 * two for each worker.
 */
import { NotWaiting } from "@aio-task-pool/core"
import { type BulkJobOptions, Job, Queue } from "bullmq"
import type * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as EffectQueue from "effect/Queue"
import type { Scope } from "effect/Scope"
import * as Stream from "effect/Stream"
import type { Redis } from "ioredis"
import { randomBytes } from "node:crypto"
import type { DistributedTaskState } from "../../DistributedTaskHandle.ts"
import type { NotAvailable, PoolMismatch } from "../../DistributedTaskPoolError.ts"
import type { Driver, Entry } from "../../internal/driver.ts"
import type { Answer, NewTask } from "../../internal/wire.ts"
import { Broker, type PoolIdentity } from "./broker.ts"
import { Connections } from "./connections.ts"
import { Control } from "./control.ts"
import { parseJson } from "./json.ts"
import { jobIdOf, taskIdOf } from "./keys.ts"
import type { Meter } from "./meter.ts"
import { whenSettled } from "./promises.ts"
import { type JobState, jobStates, runScript } from "./scripts.ts"
import { Sender, type Sending } from "./sender.ts"
import { Waiter, Waiters } from "./waiters.ts"
import { runWorker } from "./worker.ts"

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

const interruptTimeout = 3000 // ms that a canceller waits for the finalizers in another process
const cancelAgain = 1000 // ms after which a cancel message is repeated

/** The driver, and what the sizing of an auto-scale pool needs of it. */
export interface BullMqDriver extends Driver {
  readonly broker: Broker
  readonly control: Control
  readonly queue: Queue
}

/** Opens a pool. Waits at most `connectTimeout` for the broker. Everything ends with the scope, and at once. */
export const makeDriver = Effect.fnUntraced(function* (
  options: DriverOptions,
  meter?: Meter
): Effect.fn.Return<BullMqDriver, PoolMismatch, Scope> {
  const { pool, prefix } = options
  const { discipline, name } = pool
  const context = yield* Effect.context()
  const runFork = Effect.runForkWith(context)
  const log = (message: string) => void runFork(Effect.logWarning(`${name}: ${message}`))

  const connections = new Connections(options.connect)
  yield* Effect.addFinalizer(() => Effect.sync(() => connections.cut()))
  const broker: Broker = new Broker(connections.connect(), pool, options, (isUp) => {
    control.emit({ _tag: isUp ? "Reachable" : "Unreachable" })
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
  const sender = new Sender(broker, queue, waiters, log)
  const submitter = randomBytes(6).toString("base64url")
  let calls = 0

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

  const jobOptions = (task: NewTask, jobId: string): BulkJobOptions & { readonly jobId: string } => {
    // An age only: a count would delete results before slow submitters have read them.
    const keep = { age: Math.ceil(options.resultTtl / 1000) }
    return {
      jobId,
      removeOnComplete: keep,
      removeOnFail: keep,
      stackTraceLimit: 0,
      // 0 would run before all other tasks.
      ...(discipline === "priority" ? { priority: task.weight + 1 } : {}),
      ...(discipline === "lifo" ? { lifo: true } : {}),
      ...(task.delay > 0 ? { delay: task.delay } : {}),
      ...(task.attempts > 1 ? { attempts: task.attempts } : {}),
      ...(task.backoff !== undefined && task.backoff.delay > 0 ? { backoff: task.backoff } : {})
    }
  }

  const add = (task: NewTask): Effect.Effect<Entry, NotAvailable> =>
    Effect.suspend(() => {
      if (!broker.isUp || broker.isClosed) return Effect.andThen(broker.ready, send(task))
      return send(task)
    })

  const send = (task: NewTask): Effect.Effect<Entry, NotAvailable> =>
    Effect.callback<Entry, NotAvailable>((resume) => {
      if (broker.record?.paused === true) return resume(Effect.fail(broker.notAvailable("Paused")))
      const jobId = jobIdOf(task.id)
      const isShared = waiters.get(jobId) !== undefined
      const waiter = waiters.register(jobId)
      // Distinguishes the calls of one process, so that only one of them is the task's creator.
      const r = `${task.data.r}.${calls++}`
      let isAbandoned = false
      let whenDone: () => void = () => {}
      const done = (taskName: string, created: boolean): void => {
        if (created) waiter.created = true
        const entry = entryOf(task.id, jobId, taskName, created, waiter)
        if (isAbandoned) {
          if (created) cancelling(waiter)
          // Removing the task is all that was left to do.
          waiter.onAnswer(() => whenDone())
          if (!created) whenDone()
        } else resume(Effect.succeed(entry))
      }
      const sending: Sending = {
        name: task.name,
        data: { ...task.data, r },
        opts: jobOptions(task, jobId),
        state: "Queued",
        onAdmitted: () => {
          waiter.admitted = true
          if (!task.isNamed) return done(task.name, true)
          look(jobId, r, done, task.name)
        },
        onRefused: (reason) => {
          if (!isShared) waiters.forget(waiter)
          whenDone()
          resume(Effect.fail(broker.notAvailable(reason)))
        }
      }
      sender.send(sending)
      return Effect.suspend(() => {
        isAbandoned = true
        if (sender.takeBack(sending)) {
          if (!isShared) waiters.forget(waiter)
          return Effect.void
        }
        const ended = Effect.callback<void>((resume) => {
          whenDone = () => resume(Effect.void)
        })
        return Effect.timeoutOption(ended, interruptTimeout)
      })
    })

  /** Finds out whose task has the ID: an existing task keeps its name and its submitter. */
  const look = (
    jobId: string,
    r: string,
    done: (taskName: string, created: boolean) => void,
    taskName: string
  ): void => {
    const waiter = waiters.get(jobId)
    whenSettled(
      broker.client.hmget(`${broker.keys.base}${jobId}`, "name", "data"),
      ([name, data]) => {
        const stored = parseJson(data ?? "null")
        const created = typeof stored === "object" && stored !== null && "r" in stored && stored.r === r
        done(name ?? taskName, created)
        // A task that has settled already sends no event.
        if (!created && waiter !== undefined) whenSettled(waiters.ask([waiter]), () => {})
      },
      () => {
        if (broker.isClosed) done(taskName, false)
        else setTimeout(() => look(jobId, r, done, taskName), 100)
      }
    )
  }

  const find = (id: string): Effect.Effect<Entry | undefined, NotAvailable> => {
    const jobId = jobIdOf(id)
    return Effect.map(
      broker.command(() =>
        Promise.all([waiters.listen(), broker.client.hmget(`${broker.keys.base}${jobId}`, "name", "ats")])
      ),
      ([, [taskName, starts]]) => {
        if (taskName === null || taskName === undefined) return undefined
        const waiter = waiters.get(jobId) ?? new Waiter(jobId, 0)
        waiter.admitted = true
        if (Number(starts) > 0) waiter.started = true
        return entryOf(id, jobId, taskName, false, waiter)
      }
    )
  }

  const stateOf = (jobId: string): Promise<JobState> =>
    runScript(broker.client, "states", [broker.keys.base], [jobId]).then(
      ([, code]) => jobStates[code as number] ?? "gone"
    )

  /** Asks for a task's end again and again, until it has settled: a message may be lost while a worker reconnects. */
  const cancelling = (waiter: Waiter): void => {
    if (waiter.answer !== undefined) return
    const again = () => setTimeout(() => cancelling(waiter), cancelAgain)
    if (!broker.isUp) return void (broker.isClosed || again())
    watch(waiter)
    whenSettled(
      waiters.ask([waiter]),
      ([state]) => {
        if (waiter.answer !== undefined) return
        if (state === "active") control.tell("Cancel", { id: waiter.jobId })
        else if (state === "waiting" || state === "delayed") removeWaiting(waiter)
        again()
      },
      () => void again()
    )
  }

  const removeWaiting = (waiter: Waiter): void => {
    whenSettled(
      queue.remove(waiter.jobId),
      (count) => {
        // The job may have started meanwhile.
        if (count === 0) return control.tell("Cancel", { id: waiter.jobId })
        control.tell("Cancelled", {
          id: taskIdOf(waiter.jobId) ?? waiter.jobId,
          reason: "Cancelled",
          started: waiter.started
        })
      },
      () => undefined
    )
  }

  /** Has a waiter settled by events and sweeps. One of `find` is not, until somebody waits. */
  const watch = (waiter: Waiter): Waiter => {
    if (waiter.answer !== undefined || broker.isClosed) return waiter
    const known = waiters.get(waiter.jobId)
    if (known === undefined) waiters.adopt(waiter)
    else if (known !== waiter) known.onAnswer((answer) => waiter.settle(answer))
    else return waiter
    whenSettled(waiters.ask([waiter]), () => {})
    return waiter
  }

  const entryOf = (id: string, jobId: string, taskName: string, created: boolean, waiter: Waiter): Entry => {
    const answer = Effect.callback<Answer>((resume) => {
      const stop = waiter.onAnswer((answer) => resume(Effect.succeed(answer)))
      if (waiter.answer !== undefined) return undefined
      if (broker.isClosed) return resume(Effect.succeed({ closed: true, started: true }))
      watch(waiter)
      return Effect.sync(() => {
        stop()
        if (!waiter.created && !waiter.isWatched) waiters.forget(waiter)
      })
    })
    const unlessSettled = <A>(settled: A, effect: Effect.Effect<A, NotAvailable>): Effect.Effect<A, NotAvailable> =>
      Effect.suspend(() => (waiter.answer !== undefined ? Effect.succeed(settled) : effect))
    return {
      id,
      name: taskName,
      created,
      answer,
      poll: Effect.suspend(() =>
        waiter.answer !== undefined
          ? Effect.succeed(waiter.answer)
          : Effect.map(
              broker.command(() => waiters.ask([waiter])),
              () => waiter.answer
            )
      ),
      cancel: unlessSettled(
        undefined,
        Effect.andThen(
          broker.ready,
          Effect.suspend(() => {
            cancelling(waiter)
            return Effect.asVoid(Effect.timeoutOption(answer, interruptTimeout))
          })
        )
      ),
      state: unlessSettled<DistributedTaskState>(
        "Done",
        Effect.map(
          broker.command(() => stateOf(jobId)),
          (state) => taskStates[state]
        )
      ),
      reprioritize: (weight) =>
        Effect.gen(function* () {
          const state = yield* broker.command(() => stateOf(jobId))
          if (state !== "waiting" && state !== "delayed") {
            return yield* new NotWaiting({ pool: name, state: state === "active" ? "Running" : "Done" })
          }
          if (discipline !== "priority") return
          yield* broker.command(() =>
            Job.fromId(queue, jobId).then((job) => job?.changePriority({ priority: weight + 1 }))
          )
        }),
      progress: Stream.callback<unknown>((progress) =>
        Effect.acquireRelease(
          Effect.sync(() => progressTo(waiter, progress)),
          (stop) => Effect.sync(stop)
        )
      )
    }
  }

  const progressTo = (waiter: Waiter, progress: EffectQueue.Enqueue<unknown, Cause.Done>): (() => void) => {
    const end = () => void EffectQueue.endUnsafe(progress)
    if (waiter.answer !== undefined || broker.isClosed) {
      end()
      return () => {}
    }
    const stopProgress = watch(waiter).onProgress((value) => void EffectQueue.offerUnsafe(progress, value))
    const stopAnswer = waiter.onAnswer(end)
    return () => {
      stopProgress()
      stopAnswer()
      if (!waiter.created && !waiter.isWatched) waiters.forget(waiter)
    }
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
        queue.getWorkers(),
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

  const cancelCreated = Effect.suspend(() => {
    const created = [...waiters].filter((waiter) => waiter.created)
    for (const waiter of created) cancelling(waiter)
    const settled = Effect.forEach(
      created,
      (waiter) => Effect.callback<void>((resume) => void waiter.onAnswer(() => resume(Effect.void))),
      { discard: true }
    )
    return broker.isUp ? Effect.timeoutOption(settled, interruptTimeout) : Effect.void
  })

  const close = (mode: "keep" | "cancel"): Effect.Effect<void> =>
    Effect.suspend(() => {
      if (broker.isClosed) return Effect.void
      const end = Effect.sync(() => {
        broker.close()
        sender.refuseAll("Closed")
        waiters.close()
        control.endEvents()
      })
      return mode === "cancel" ? Effect.andThen(cancelCreated, end) : end
    })

  yield* Effect.addFinalizer(() =>
    Effect.andThen(
      close("keep"),
      Effect.sync(() => control.end())
    )
  )
  yield* Effect.ignore(Effect.catchDefect(broker.ready, () => Effect.void))
  if (broker.mismatch !== undefined) return yield* broker.mismatch

  return {
    broker,
    control,
    queue,
    name,
    identity: `${options.server} ${prefix} ${name}`,
    submitter,
    add,
    find,
    resize: (change) =>
      Effect.map(
        broker.script(
          "resize",
          "delta" in change ? ["scale", change.delta, "Scaled"] : ["resize", change.size, "Resized"]
        ),
        ([, to]) => Number(to)
      ),
    hold: hold("1"),
    release: hold("0"),
    pause: pause("1"),
    resume: pause("0"),
    stats,
    events: control.events,
    close,
    work: (spec) => runWorker({ broker, connect: options.connect, control, prefix, meter }, spec)
  }
})

const taskStates: Record<JobState, DistributedTaskState> = {
  gone: "Done",
  completed: "Done",
  failed: "Done",
  delayed: "Delayed",
  waiting: "Waiting",
  active: "Running"
}
