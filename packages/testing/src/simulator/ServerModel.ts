/**
 * The servers and loads that the simulator knows, as plain data.
 *
 * A server is what stands behind a pool: how fast it works on `n` tasks at once, when it turns tasks away, and how all
 * this changes with time. Times are milliseconds, rates are per second.
 *
 * @since 0.2.0
 */

/**
 * A value that may change with time: a constant, or steps `[from, value]` in order, the first from 0.
 *
 * @category models
 * @since 0.2.0
 */
export type Steps = number | ReadonlyArray<readonly [from: number, value: number]>

/**
 * How the work of tasks spreads around its mean `base`: log-normal with coefficient of variation `cv` (0 for tasks that
 * are all equal), exponential, or `share` of the tasks `factor` times longer than the others.
 *
 * @category models
 * @since 0.2.0
 */
export type Work =
  | { readonly kind: "lognormal"; readonly cv: number }
  | { readonly kind: "exponential" }
  | { readonly kind: "bimodal"; readonly share: number; readonly factor: number }

/**
 * What every server has.
 *
 * @category models
 * @since 0.2.0
 */
export interface ServerOptions {
  /** Mean time of a task that has the server for itself, in milliseconds. */
  readonly base: Steps
  /** How the times spread, default log-normal with a coefficient of variation of 0.5. */
  readonly work?: Work | undefined
  /** The number of tasks at which the server rejects further ones, which are overload failures; default no limit. */
  readonly limit?: Steps | undefined
  /** How long turning a task away takes in milliseconds, default 2. */
  readonly rejection?: number | undefined
  /** Milliseconds after which a client gives up and the task leaves the server, an overload failure; default never. */
  readonly timeout?: number | undefined
  /** Share of tasks that end in a failure of their own, which says nothing about the server; default 0. */
  readonly failing?: number | undefined
  /** Spans `[from, to]` in which every new task is turned away. */
  readonly outages?: ReadonlyArray<readonly [from: number, to: number]> | undefined
}

/**
 * A server model: `shared` gives each of its `n` tasks the speed `speed(n, capacity)`; `queueing` works on `capacity`
 * tasks, first come first served, and queues the others; `bucket` admits `rate` tasks per second, with `burst` in hand.
 *
 * @category models
 * @since 0.2.0
 */
export type ServerModel =
  | (ServerOptions & {
      readonly kind: "shared"
      readonly capacity: Steps
      /** Speed of each of `n` tasks, 1 for a task that has the server for itself. */
      readonly speed: (n: number, capacity: number) => number
    })
  | (ServerOptions & { readonly kind: "queueing"; readonly capacity: Steps })
  | (ServerOptions & { readonly kind: "bucket"; readonly rate: Steps; readonly burst: number })

/**
 * Options of the servers that have a capacity.
 *
 * @category models
 * @since 0.2.0
 */
export interface CapacityOptions extends ServerOptions {
  /** How many tasks the server works on at full speed. */
  readonly capacity: Steps
}

/**
 * Processor sharing: up to `capacity` tasks run at full speed, more share it. A server bound by its cores.
 *
 * @category servers
 * @since 0.2.0
 */
export const sharing = (options: CapacityOptions): ServerModel => ({
  ...options,
  kind: "shared",
  speed: (n, c) => (n <= c ? 1 : c / n)
})

/**
 * First come, first served: `capacity` tasks run, the others wait in the server. A thread pool or a database's
 * connections; with `limit` equal to `capacity`, one that refuses instead of queueing.
 *
 * @category servers
 * @since 0.2.0
 */
export const queueing = (options: CapacityOptions): ServerModel => ({ ...options, kind: "queueing" })

/**
 * Latency grows with the square of the excess: `1 + ((n - c) / c)^2`. Its throughput peaks at 1.41 times the capacity.
 *
 * @category servers
 * @since 0.2.0
 */
export const bending = (options: CapacityOptions): ServerModel => ({
  ...options,
  kind: "shared",
  speed: (n, c) => (n <= c ? 1 : 1 / (1 + ((n - c) / c) ** 2))
})

/**
 * Processor sharing that loses throughput beyond its capacity, by `1 + loss (n - c) / c`: a server that swaps, or whose
 * caches no longer hold. `loss` defaults to 0.5.
 *
 * @category servers
 * @since 0.2.0
 */
export const thrashing = (options: CapacityOptions & { readonly loss?: number | undefined }): ServerModel => {
  const loss = options.loss ?? 0.5
  return { ...options, kind: "shared", speed: (n, c) => (n <= c ? 1 : c / n / (1 + (loss * (n - c)) / c)) }
}

/**
 * The universal scalability law (Gunther): speed `1 / (1 + s (n - 1) + k n (n - 1))`, with `k` such that the throughput
 * peaks at `capacity`. Tasks hinder each other from the second one on. `contention` is `s`, default 0.03.
 *
 * @category servers
 * @since 0.2.0
 */
export const contended = (options: CapacityOptions & { readonly contention?: number | undefined }): ServerModel => {
  const s = options.contention ?? 0.03
  return {
    ...options,
    kind: "shared",
    speed: (n, c) => 1 / (1 + s * (n - 1) + ((1 - s) / (c * c)) * n * (n - 1))
  }
}

/**
 * A rate limiter: `rate` tasks per second, up to `burst` saved, the others turned away; latency tells nothing.
 *
 * @category servers
 * @since 0.2.0
 */
export const rateLimited = (
  options: ServerOptions & { readonly rate: Steps; readonly burst: number }
): ServerModel => ({ ...options, kind: "bucket" })

/**
 * Where tasks come from: there is always a next one (`backlog`), they arrive at random at `rate` per second (`open`), or
 * `count` of them are there from the start and the run ends with the last (`batch`).
 *
 * @category models
 * @since 0.2.0
 */
export type Load =
  | { readonly kind: "backlog" }
  | { readonly kind: "open"; readonly rate: Steps }
  | { readonly kind: "batch"; readonly count: number }

/**
 * There is always a next task.
 *
 * @category loads
 * @since 0.2.0
 */
export const backlog: Load = { kind: "backlog" }

/**
 * Tasks arrive independently of each other (a Poisson process), `rate` per second.
 *
 * @category loads
 * @since 0.2.0
 */
export const open = (rate: Steps): Load => ({ kind: "open", rate })

/**
 * So many tasks at once, and none later.
 *
 * @category loads
 * @since 0.2.0
 */
export const batch = (count: number): Load => ({ kind: "batch", count })

/**
 * The value of `steps` at `time`.
 *
 * @category models
 * @since 0.2.0
 */
export const valueAt = (steps: Steps, time: number): number => {
  if (typeof steps === "number") return steps
  let value = steps[0]![1]
  for (const [from, next] of steps) if (from <= time) value = next
  return value
}

/**
 * The moments at which any of `steps` changes, in order, 0 left out.
 *
 * @category models
 * @since 0.2.0
 */
export const changes = (...all: ReadonlyArray<Steps | undefined>): ReadonlyArray<number> => {
  const times = new Set<number>()
  for (const steps of all) if (Array.isArray(steps)) for (const [from] of steps) if (from > 0) times.add(from)
  return [...times].toSorted((a, b) => a - b)
}
