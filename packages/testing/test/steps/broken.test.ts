// Pools that break one rule each: what the scenarios do not find here, they would not find in a real pool.
import { AioFixedTaskPoolSimple, TaskPool, type TaskPoolService } from "@aio-task-pool/core"
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { randomSteps, taskPoolScenarios } from "../../src/index.ts"

const withSubmit =
  (submit: (pool: TaskPoolService, task: Effect.Effect<unknown>) => Effect.Effect<unknown, unknown>) =>
  (pool: TaskPoolService): Partial<TaskPoolService> => ({ submit: ((task: any) => submit(pool, task)) as any })

const broken: ReadonlyArray<
  readonly [what: string, rule: RegExp, replace: (pool: TaskPoolService) => Partial<TaskPoolService>]
> = [
  ["runs a task twice", /I3: told .* begun 2/, withSubmit((pool, task) => pool.submit(Effect.andThen(task, task)))],
  [
    "notifies a submitter before its task ends",
    /I1|I3|an idle pool closes with/,
    withSubmit((pool, task) => pool.submitNowait(task))
  ],
  ["drops a task", /I3: told .* begun 0/, withSubmit(() => Effect.succeed("dropped"))],
  [
    "is smaller than it was resized to",
    /check hangs/,
    (pool) => ({ resize: (size, options) => pool.resize(Math.max(0, size - 1), options) })
  ],
  [
    "counts a task that was never submitted",
    /I3: the statistics do not add up/,
    (pool) => ({ stats: Effect.map(pool.stats, (stats) => ({ ...stats, submitted: stats.submitted + 1 })) })
  ],
  [
    "lets more tasks wait than its capacity",
    /I8/,
    (pool) => ({ stats: Effect.map(pool.stats, (stats) => ({ ...stats, capacity: stats.waiting - 1 })) })
  ],
  [
    "runs tasks that it does not count",
    /I1/,
    (pool) => ({
      stats: Effect.map(pool.stats, (stats) => ({ ...stats, running: 0, submitted: stats.submitted - stats.running }))
    })
  ],
  [
    "never gives a handle its result",
    /I3: a handle has not settled/,
    (pool) => ({
      fork: ((task: Effect.Effect<unknown>) =>
        Effect.map(pool.fork(task), (handle) => ({
          state: handle.state,
          cancel: handle.cancel,
          join: handle.join,
          poll: Effect.succeed(Option.none())
        }))) as any
    })
  ]
]

it.effect.each(broken)("the scenarios find a pool that %s", ([, rule, replace]) =>
  Effect.gen(function* () {
    const replaced = Layer.effect(
      TaskPool,
      Effect.map(TaskPool, (pool) => ({ ...pool, ...replace(pool) }))
    )
    const scenarios = taskPoolScenarios(({ size, ...options }) =>
      Layer.provide(replaced, AioFixedTaskPoolSimple.layer(size, options))
    )
    const failure = yield* Effect.flip(randomSteps(scenarios, { seed: 1, runs: 2000 }))
    assert.match(failure.reason, rule)
  })
)
