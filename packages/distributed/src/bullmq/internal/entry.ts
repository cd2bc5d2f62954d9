/** A task that the pool has, as one process sees it. */
import { NotWaiting } from "@aio-task-pool/core"
import type * as Cause from "effect/Cause"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import * as Stream from "effect/Stream"
import type { DistributedTaskState } from "../../DistributedTaskHandle.ts"
import type { NotAvailable } from "../../DistributedTaskPoolError.ts"
import type { Entry } from "../../internal/driver.ts"
import type { Answer } from "../../internal/wire.ts"
import type { Broker } from "./broker.ts"
import { callback, guarded } from "../../internal/callback.ts"
import type { JobState } from "./scripts.ts"
import type { Waiter, Waiters } from "./waiters.ts"

/** How long a canceller waits for the finalizers in another process, in milliseconds. */
export const interruptTimeout = 3000

/** What an entry needs of the submitter that made it. */
export interface EntryHost {
  readonly broker: Broker
  readonly waiters: Waiters
  readonly discipline: string
  watch(waiter: Waiter): void
  unwatch(waiter: Waiter): void
  cancelling(waiter: Waiter): void
  stateOf(jobId: string): Promise<JobState>
  changeWeight(jobId: string, weight: number): Promise<void>
}

export class JobEntry implements Entry {
  readonly id: string
  readonly name: string
  readonly created: boolean
  private readonly submitter: EntryHost
  private readonly waiter: Waiter
  /** Whether others may wait for the same task. */
  private readonly isKnown: boolean

  constructor(submitter: EntryHost, waiter: Waiter, id: string, name: string, created: boolean, isKnown: boolean) {
    this.submitter = submitter
    this.waiter = waiter
    this.id = id
    this.name = name
    this.created = created
    this.isKnown = isKnown
  }

  get answer(): Effect.Effect<Answer> {
    const { submitter, waiter } = this
    return callback((resume) => {
      const stop = waiter.onAnswer((answer) => resume(Effect.succeed(this.copyOf(answer))))
      if (waiter.answer !== undefined) return undefined
      if (submitter.broker.isClosed) return resume(Effect.succeed({ closed: true, started: true }))
      submitter.watch(waiter)
      return Effect.sync(() => {
        stop()
        submitter.unwatch(waiter)
      })
    })
  }

  get poll(): Effect.Effect<Answer | undefined, NotAvailable> {
    const { submitter, waiter } = this
    const asked = submitter.broker.command(() => submitter.waiters.ask([waiter]))
    const known = Effect.suspend((): Effect.Effect<Answer | undefined, NotAvailable> => {
      const { answer } = waiter
      if (answer === undefined) return Effect.succeed(undefined)
      // The pool may have closed meanwhile.
      return "closed" in answer
        ? Effect.fail(submitter.broker.notAvailable("Closed"))
        : Effect.succeed(this.copyOf(answer))
    })
    return Effect.suspend(() => (this.hasSettled ? known : Effect.andThen(asked, known)))
  }

  /** A result may have parts of the answer, and its reader may change them. */
  private copyOf(answer: Answer): Answer {
    return this.isKnown && "exit" in answer ? (JSON.parse(JSON.stringify(answer)) as Answer) : answer
  }

  get cancel(): Effect.Effect<void, NotAvailable> {
    return Effect.suspend(() =>
      this.hasSettled ? Effect.void : Effect.andThen(this.submitter.broker.ready, this.abandon)
    )
  }

  get abandon(): Effect.Effect<void> {
    return Effect.suspend(() => {
      if (this.hasSettled) return Effect.void
      this.submitter.cancelling(this.waiter)
      return Effect.asVoid(Effect.timeoutOption(this.answer, interruptTimeout))
    })
  }

  /** Whether the task has settled. One that this process has closed its pool upon may go on. */
  private get hasSettled(): boolean {
    const { answer } = this.waiter
    return answer !== undefined && !("closed" in answer)
  }

  private get jobState(): Effect.Effect<JobState, NotAvailable> {
    const { submitter, waiter } = this
    return submitter.broker.command(() => submitter.stateOf(waiter.jobId))
  }

  get state(): Effect.Effect<DistributedTaskState, NotAvailable> {
    return Effect.suspend(() =>
      this.hasSettled ? Effect.succeed("Done" as const) : Effect.map(this.jobState, (state) => taskStates[state])
    )
  }

  reprioritize(weight: number): Effect.Effect<void, NotAvailable | NotWaiting> {
    const { submitter, waiter } = this
    return Effect.flatMap(this.jobState, (state): Effect.Effect<void, NotAvailable | NotWaiting> => {
      if (state !== "waiting" && state !== "delayed") {
        return new NotWaiting({ pool: submitter.broker.name, state: state === "active" ? "Running" : "Done" })
      }
      return submitter.discipline === "priority"
        ? submitter.broker.command(() => submitter.changeWeight(waiter.jobId, weight))
        : Effect.void
    })
  }

  get progress(): Stream.Stream<unknown> {
    return Stream.callback(
      (queue) =>
        Effect.acquireRelease(
          Effect.withFiber(({ context }) => Effect.sync(() => this.progressTo(queue, context))),
          (stop) => Effect.sync(stop)
        ),
      // A slow reader loses the oldest values.
      { bufferSize: 256, strategy: "sliding" }
    )
  }

  private progressTo(queue: Queue.Enqueue<unknown, Cause.Done>, context: Context.Context<never>): () => void {
    const { submitter, waiter } = this
    const end = () => guarded(context, () => Queue.endUnsafe(queue))
    if (waiter.answer !== undefined || submitter.broker.isClosed) {
      end()
      return () => {}
    }
    submitter.watch(waiter)
    const stopProgress = waiter.onProgress((value) => void Queue.offerUnsafe(queue, value))
    const stopAnswer = waiter.onAnswer(end)
    return () => {
      stopProgress()
      stopAnswer()
      submitter.unwatch(waiter)
    }
  }
}

const taskStates: Record<JobState, DistributedTaskState> = {
  gone: "Done",
  completed: "Done",
  failed: "Done",
  delayed: "Delayed",
  waiting: "Waiting",
  active: "Running"
}
