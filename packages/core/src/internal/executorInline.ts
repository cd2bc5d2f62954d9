/** The inline executor: runs jobs in the calling thread, with the same copies and failures as on a thread. */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type { ExecutorCall, ExecutorDriver, ExecutorThread } from "../ExecutorDriver.ts"
import { NotCloneable, TaskNotFound, TaskThrew } from "../ExecutorError.ts"
import { describeThrown, explainUncloneable, findFunction, functionNames, type Job, transferredBy } from "../Job.ts"
import { monotonicMillis } from "./runtime/clock.ts"

export const driver = (): ExecutorDriver => {
  let settled = 0
  const running = new Set<{ readonly job: string; readonly since: number }>()
  return {
    parallelism: 1,
    call: (call) =>
      Effect.clockWith((clock) => {
        const started = { job: call.job.name, since: monotonicMillis(clock) }
        running.add(started)
        return Effect.ensuring(
          run(call),
          Effect.sync(() => {
            running.delete(started)
            settled++
          })
        )
      }),
    stats: Effect.sync(() => ({
      threads: 1,
      starting: 0,
      ending: 0,
      running: running.size,
      waiting: 0,
      settled,
      replaced: 0,
      replacedBy: { Crashed: 0, Interrupted: 0, Recycled: 0, Module: 0, Closed: 0 }
    })),
    threads: Effect.clockWith((clock) =>
      Effect.sync((): ReadonlyArray<ExecutorThread> => {
        const [first] = running
        return [
          {
            id: 1,
            state: first === undefined ? "Idle" : "Running",
            running: running.size,
            waiting: 0,
            job: first?.job,
            ran: first === undefined ? undefined : Math.max(0, monotonicMillis(clock) - first.since),
            settled,
            replacedBy: undefined
          }
        ]
      })
    )
  }
}

const run = Effect.fnUntraced(function* ({ args, each, job, onTimes, transfer }: ExecutorCall) {
  const copies = yield* copy(job.name, "argument", args, transfer)
  const fn = yield* load(job)
  const start = yield* Clock.currentTimeNanos
  const answer = yield* each
    ? Effect.forEach(copies, (item) => apply(job.name, fn, [item]))
    : apply(job.name, fn, copies)
  const end = yield* Clock.currentTimeNanos
  onTimes?.(0, Number(end - start) / 1e6)
  return answer
})

type Fn = (...args: ReadonlyArray<unknown>) => unknown

const apply = (
  task: string,
  fn: Fn,
  args: ReadonlyArray<unknown>
): Effect.Effect<unknown, TaskThrew | NotCloneable> => {
  const threw = (cause: unknown) => new TaskThrew({ task, cause })
  return Effect.try({
    try: (): { readonly later: Promise<unknown> } | { readonly now: unknown } => {
      const result = fn(...args)
      // Reading `then` may run code of the job: a getter, or the trap of a proxy.
      return isPromise(result) ? { later: new Promise((resolve) => resolve(result)) } : { now: result }
    },
    catch: threw
  }).pipe(
    Effect.flatMap((result) =>
      "later" in result ? Effect.tryPromise({ try: () => result.later, catch: threw }) : Effect.succeed(result.now)
    ),
    Effect.flatMap((result) => copy(task, "result", result, transferredBy(result)))
  )
}

const copy = <A>(
  task: string,
  direction: "argument" | "result",
  value: A,
  transfer: ReadonlyArray<object> | undefined
): Effect.Effect<A, NotCloneable> =>
  Effect.try({
    try: () => structuredClone(value, { transfer: transfer ?? [] }),
    catch: (error) => new NotCloneable({ task, direction, ...explainUncloneable(value, transfer, error) })
  })

const load = (job: Job<any, any>): Effect.Effect<Fn, TaskNotFound> => {
  if (job.fn !== undefined) return Effect.succeed(job.fn)
  const { name: task, url } = job
  return Effect.tryPromise({
    try: () =>
      import(/* webpackIgnore: true */ /* @vite-ignore */ url).then(
        (module: object) => findFunction(module, task) ?? functionNames(module)
      ),
    catch: (cause) =>
      new TaskNotFound({ task, url, reason: `${url} cannot be loaded: ${describeThrown(cause)}`, cause })
  }).pipe(
    Effect.flatMap((found) => {
      if (typeof found === "function") return Effect.succeed(found)
      const reason = `${url} has no function of that name (its functions: ${found.join(", ")})`
      return Effect.fail(new TaskNotFound({ task, url, reason }))
    })
  )
}

const isPromise = (value: unknown): value is PromiseLike<unknown> =>
  typeof value === "object" && value !== null && typeof (value as any).then === "function"

// Every platform has it, but the type library of the language does not declare it.
const { structuredClone } = globalThis as unknown as {
  readonly structuredClone: <A>(value: A, options: { readonly transfer: ReadonlyArray<object> }) => A
}
