/**
 * What the dashboard's server sends to the page and to the terminal.
 *
 * **Details**
 *
 * `GET /api/v1/pools` answers one {@link Frame} as JSON. `GET /api/v1/live?pool=<id>` is a stream of server-sent events:
 * one `hello` with a {@link Hello}, then frames as `message` events, at the rate of the option `hz`. With `pool`, frames
 * have the details of that pool. `POST /api/v1/pools/<id>/pause`, `resume` and `resize` answer the new {@link Stats}.
 *
 * Durations are milliseconds, moments are milliseconds since 1970, rates are per second. JSON has no `Infinity`: a size
 * or capacity without a limit is `null`.
 *
 * **Example** (Reading a frame)
 *
 * ```ts
 * import { Protocol } from "@aio-task-pool/dashboard"
 * import { Schema } from "effect"
 *
 * const decode = Schema.decodeUnknownSync(Protocol.Frame)
 *
 * console.log(decode({ at: 1_700_000_000_000, loop: 0.12, pools: [], executors: [] }).pools.length) // => 0
 * ```
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

/**
 * Lists the paths of the server, below the place where its routes are mounted.
 *
 * @category paths
 * @since 0.1.0
 */
export const paths = {
  pools: "/api/v1/pools",
  live: "/api/v1/live",
  metrics: "/metrics",
  action: (id: string, action: "pause" | "resume" | "resize") =>
    `/api/v1/pools/${encodeURIComponent(id)}/${action}` as const
} as const

/** A number that is `null` in JSON when it is infinite. */
const Limit = Schema.NullOr(Schema.Number)

/**
 * The statistics of a pool, as `TaskPool.stats` returns them. Sizes and the capacity are `null` without a limit.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Stats = Schema.Struct({
  phase: Schema.Literals(["Open", "Held", "Paused", "Draining", "Closed"]),
  holds: Schema.Array(Schema.String),
  size: Limit,
  targetSize: Limit,
  running: Schema.Number,
  busy: Schema.Number,
  lent: Schema.Number,
  waiting: Schema.Number,
  delayed: Schema.Number,
  atDoor: Schema.Number,
  capacity: Limit,
  nextStart: Limit,
  submitted: Schema.Number,
  succeeded: Schema.Number,
  failed: Schema.Number,
  interrupted: Schema.Number,
  cancelled: Schema.Number,
  dropped: Schema.Number,
  rejected: Schema.Number,
  rejectedBy: Schema.Record(Schema.String, Schema.Finite),
  largestSize: Limit
})

/**
 * Percentiles over the last ten seconds, in milliseconds; `null` if no task was timed in them.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Percentiles = Schema.Struct({ p50: Schema.NullOr(Schema.Number), p95: Schema.NullOr(Schema.Number) })

/**
 * A warning: the name of its rule, and a sentence that says what is wrong and what to do.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Warning = Schema.Struct({ rule: Schema.String, message: Schema.String })

/**
 * One pool in the overview.
 *
 * @category schemas
 * @since 0.1.0
 */
export const PoolRow = Schema.Struct({
  /** The name; for further pools of the same name, `name#2` and so on. */
  id: Schema.String,
  name: Schema.String,
  kind: Schema.String,
  /** The phase, or `"Unknown"` before the broker of a distributed pool has answered. */
  state: Schema.String,
  stats: Stats,
  /** How long the oldest waiting task has waited; 0 if none waits. */
  oldestWait: Schema.Number,
  queue: Percentiles,
  run: Percentiles,
  /** Means over the last two seconds. `ended` counts all outcomes, `failed` is among them. */
  rates: Schema.Struct({ ended: Schema.Number, failed: Schema.Number, rejected: Schema.Number }),
  warnings: Schema.Array(Warning),
  /** Whether the pool is a distributed one. It cannot be paused, resumed or resized from here. */
  distributed: Schema.optionalKey(Schema.Boolean),
  /**
   * Only of a distributed pool with a broker: how long ago its broker last answered, in milliseconds; `null` before the first answer.
   *
   * Only its state, target size, running, waiting and delayed tasks are known. The other numbers mean nothing.
   */
  remote: Schema.optionalKey(Schema.Struct({ age: Schema.NullOr(Schema.Number) }))
})

/**
 * A task of the pool that is shown in detail.
 *
 * @category schemas
 * @since 0.1.0
 */
export const TaskRow = Schema.Struct({
  id: Schema.Union([Schema.String, Schema.Number]),
  label: Schema.String,
  weight: Schema.Number,
  state: Schema.Literals(["AtDoor", "Waiting", "Delayed", "Running", "Ending"]),
  waited: Schema.Number,
  /** `null` before the dispatch. */
  ran: Schema.NullOr(Schema.Number),
  spanId: Schema.NullOr(Schema.String),
  /** Whether the task lends its workers while it waits for its own pool. */
  lent: Schema.Boolean,
  attempt: Schema.Number
})

/**
 * A decision on the size of an auto-scale pool, or several in a row that kept the size for the same reason.
 *
 * @category schemas
 * @since 0.1.0
 */
export const DecisionRow = Schema.Struct({
  /** When the last of them was made. */
  at: Schema.Number,
  /** How many decisions in a row this row stands for. */
  times: Schema.Number,
  from: Limit,
  to: Limit,
  /** The policy's word, such as `GROW`. */
  reason: Schema.String,
  /** The reason as a sentence. */
  sentence: Schema.String,
  /** The measurements that led to it, in words; empty without any. */
  evidence: Schema.String
})

/**
 * An event of the pool that is shown in detail.
 *
 * @category schemas
 * @since 0.1.0
 */
export const EventRow = Schema.Struct({ at: Schema.Number, times: Schema.Number, text: Schema.String })

/**
 * A process that works for a distributed pool.
 *
 * @category schemas
 * @since 0.1.0
 */
export const WorkerRow = Schema.Struct({
  host: Schema.String,
  pid: Schema.Finite,
  concurrency: Schema.Finite,
  running: Schema.Finite
})

/**
 * The details of one pool. Lists hold at most 100 rows; decisions and events are sorted from new to old.
 *
 * @category schemas
 * @since 0.1.0
 */
export const PoolDetail = Schema.Struct({
  id: Schema.String,
  /** Running and ending tasks, oldest first. */
  running: Schema.Array(TaskRow),
  /** Waiting and delayed tasks in the order of dispatch, then submitters at the door. */
  waiting: Schema.Array(TaskRow),
  /** How many tasks the lists leave out. */
  omitted: Schema.Struct({
    running: Schema.Number,
    waiting: Schema.Number,
    delayed: Schema.Number,
    door: Schema.Number
  }),
  decisions: Schema.Array(DecisionRow),
  events: Schema.Array(EventRow),
  workers: Schema.Array(WorkerRow)
})

/**
 * A thread of an executor.
 *
 * @category schemas
 * @since 0.1.0
 */
export const ThreadRow = Schema.Struct({
  id: Schema.Number,
  state: Schema.String,
  /** The job that runs, if any. */
  job: Schema.NullOr(Schema.String),
  /** How long the job has run. */
  ran: Schema.NullOr(Schema.Number)
})

/**
 * An executor and its threads.
 *
 * @category schemas
 * @since 0.1.0
 */
export const ExecutorRow = Schema.Struct({
  id: Schema.String,
  name: Schema.String,
  running: Schema.Number,
  waiting: Schema.Number,
  settled: Schema.Number,
  replaced: Schema.Number,
  threads: Schema.Array(ThreadRow),
  warnings: Schema.Array(Warning)
})

/**
 * All pools at one moment.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Frame = Schema.Struct({
  at: Schema.Number,
  /** The share of time in which the event loop of the program was busy, 0 to 1. */
  loop: Schema.Number,
  pools: Schema.Array(PoolRow),
  executors: Schema.Array(ExecutorRow),
  /** Warnings about the program as a whole. */
  warnings: Schema.optionalKey(Schema.Array(Warning)),
  /** The pool that was asked for; missing if there is none of that id. */
  pool: Schema.optionalKey(PoolDetail)
})

/**
 * Lists the names of the series in the history of a pool.
 *
 * @category schemas
 * @since 0.1.0
 */
export const seriesNames = ["size", "running", "waiting", "ended", "bad", "queue95", "run50", "run95"] as const

const Series = Schema.Array(Schema.NullOr(Schema.Number))

/**
 * The first event of a stream: what the program allows, and what happened before.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Hello = Schema.Struct({
  /** Frames per second. */
  hz: Schema.Number,
  /** Whether pools can be paused, resumed and resized. */
  actions: Schema.Boolean,
  /** The length of the history, in seconds. */
  history: Schema.Number,
  /** When the last sample was taken. Samples are one second apart, oldest first. */
  at: Schema.Number,
  /** Tasks that ended per second, in at most 60 steps over the whole history, by pool id. */
  sparks: Schema.Record(Schema.String, Series),
  /** The history of the pool that was asked for: one array per series, with one value a second. */
  series: Schema.optionalKey(
    Schema.Struct({
      size: Series,
      running: Series,
      waiting: Series,
      ended: Series,
      bad: Series,
      queue95: Series,
      run50: Series,
      run95: Series
    })
  )
})

/**
 * The body of a `resize` request.
 *
 * @category schemas
 * @since 0.1.0
 */
export const ResizeBody = Schema.Struct({ size: Schema.Int.check(Schema.isGreaterThanOrEqualTo(0)) })

/** @since 0.1.0 */
export type Stats = typeof Stats.Type
/** @since 0.1.0 */
export type Warning = typeof Warning.Type
/** @since 0.1.0 */
export type PoolRow = typeof PoolRow.Type
/** @since 0.1.0 */
export type TaskRow = typeof TaskRow.Type
/** @since 0.1.0 */
export type DecisionRow = typeof DecisionRow.Type
/** @since 0.1.0 */
export type EventRow = typeof EventRow.Type
/** @since 0.1.0 */
export type WorkerRow = typeof WorkerRow.Type
/** @since 0.1.0 */
export type PoolDetail = typeof PoolDetail.Type
/** @since 0.1.0 */
export type ThreadRow = typeof ThreadRow.Type
/** @since 0.1.0 */
export type ExecutorRow = typeof ExecutorRow.Type
/** @since 0.1.0 */
export type Frame = typeof Frame.Type
/** @since 0.1.0 */
export type Hello = typeof Hello.Type
