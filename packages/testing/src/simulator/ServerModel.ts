/**
 * The servers and loads of the simulator, as plain data.
 *
 * A server model says how fast the server works on `n` concurrent tasks, when it rejects tasks, and how this changes over
 * time. Times are in milliseconds, rates per second.
 *
 * @since 0.1.0
 */

/**
 * A value that may change with time: a constant, or steps `[from, value]` in order, the first from 0.
 *
 * @category models
 * @since 0.1.0
 */
export type Steps = number | ReadonlyArray<readonly [from: number, value: number]>

/**
 * The distribution of the work of tasks around its mean `base`: log-normal with the coefficient of variation `cv` (0 for
 * equal tasks), exponential, a `share` of the tasks `factor` times longer than the others, or Pareto with the exponent
 * `shape` above 1 (up to 2 its variance is infinite).
 *
 * @category models
 * @since 0.1.0
 */
export type Work =
  | { readonly kind: "lognormal"; readonly cv: number }
  | { readonly kind: "exponential" }
  | { readonly kind: "bimodal"; readonly share: number; readonly factor: number }
  | { readonly kind: "pareto"; readonly shape: number }

/**
 * Options of every server.
 *
 * @category models
 * @since 0.1.0
 */
export interface ServerOptions {
  /** Mean time of a task alone on the server, in milliseconds. */
  readonly base: Steps
  /** The distribution of the times, default log-normal with a coefficient of variation of 0.5. */
  readonly work?: Work | undefined
  /** The number of tasks at which the server rejects further ones, which are overload failures; default no limit. */
  readonly limit?: Steps | undefined
  /** The time of a rejection in milliseconds, default 2. */
  readonly rejection?: number | undefined
  /** The timeout of the clients in milliseconds, an overload failure that frees the server; default none. */
  readonly timeout?: number | undefined
  /** Share of tasks that fail for reasons of their own, which are no sign of overload; default 0. */
  readonly failing?: number | undefined
  /** Spans `[from, to]` in which the server rejects every new task. */
  readonly outages?: ReadonlyArray<readonly [from: number, to: number]> | undefined
  /** A factor of the server's speed, default 1; 0 is a stall. */
  readonly pace?: Steps | undefined
  /**
   * Share of tasks whose response is lost, whatever the size; default 0. They do not load the server, and end only when
   * their client times out.
   */
  readonly lost?: number | undefined
  /**
   * The unit of `Retry-After` in milliseconds, default none. A rejection then says when the server admits the next task,
   * rounded up to this unit. A server with a `limit` says one unit.
   */
  readonly retryAfter?: number | undefined
  /** Attempts that a task makes on its own after a rejection, as SDKs and proxies do; default none. */
  readonly retries?: Retries | undefined
}

/**
 * Retries inside a task: up to `times` further attempts, the first after half to all of `delay` milliseconds, each
 * further one after twice the delay of the one before.
 *
 * @category models
 * @since 0.3.0
 */
export interface Retries {
  readonly times: number
  readonly delay: number
}

/**
 * A server model: `shared` gives each of its `n` tasks the speed `speed(n, capacity)`; `queueing` works on `capacity`
 * tasks, first come first served, and queues the others; `bucket` admits `rate` tasks per second and bursts of `burst`;
 * `windows` admits `count` tasks in each window of `window` milliseconds; `batching` collects tasks into batches of at
 * most `size`, for at most `wait` milliseconds, and works on `capacity` batches at once.
 *
 * @category models
 * @since 0.1.0
 */
export type ServerModel =
  | (ServerOptions & {
      readonly kind: "shared"
      readonly capacity: Steps
      /** Speed of each of `n` tasks; 1 is the speed of a task alone on the server. */
      readonly speed: (n: number, capacity: number) => number
    })
  | (ServerOptions & { readonly kind: "queueing"; readonly capacity: Steps })
  | (ServerOptions & { readonly kind: "bucket"; readonly rate: Steps; readonly burst: number })
  | (ServerOptions & { readonly kind: "windows"; readonly count: Steps; readonly window: number })
  | (ServerOptions & {
      readonly kind: "batching"
      readonly capacity: Steps
      readonly size: number
      readonly wait: number
    })

/**
 * Options of servers with a capacity.
 *
 * @category models
 * @since 0.1.0
 */
export interface CapacityOptions extends ServerOptions {
  /** The number of tasks that run at full speed. */
  readonly capacity: Steps
}

/**
 * Processor sharing: up to `capacity` tasks run at full speed, more tasks share it. A server bound by its cores.
 *
 * @category servers
 * @since 0.1.0
 */
export const sharing = (options: CapacityOptions): ServerModel => ({
  ...options,
  kind: "shared",
  speed: (n, c) => (n <= c ? 1 : c / n)
})

/**
 * First come, first served: `capacity` tasks run, the others wait in the server, as with a thread pool or the connections
 * of a database. With `limit` equal to `capacity` it rejects tasks instead of queueing them.
 *
 * @category servers
 * @since 0.1.0
 */
export const queueing = (options: CapacityOptions): ServerModel => ({ ...options, kind: "queueing" })

/**
 * Latency grows with the square of the excess: `1 + ((n - c) / c)^2`. Its throughput peaks at 1.41 times the capacity.
 *
 * @category servers
 * @since 0.1.0
 */
export const bending = (options: CapacityOptions): ServerModel => ({
  ...options,
  kind: "shared",
  speed: (n, c) => (n <= c ? 1 : 1 / (1 + ((n - c) / c) ** 2))
})

/**
 * Processor sharing that loses throughput beyond its capacity, by `1 + loss (n - c) / c`: a server that swaps, or whose
 * caches overflow. `loss` defaults to 0.5.
 *
 * @category servers
 * @since 0.1.0
 */
export const thrashing = (options: CapacityOptions & { readonly loss?: number | undefined }): ServerModel => {
  const loss = options.loss ?? 0.5
  return { ...options, kind: "shared", speed: (n, c) => (n <= c ? 1 : c / n / (1 + (loss * (n - c)) / c)) }
}

/**
 * The universal scalability law (Gunther): speed `1 / (1 + s (n - 1) + k n (n - 1))`, with `k` such that the throughput
 * peaks at `capacity`. Tasks slow each other down from the second one on. `contention` is `s`, default 0.03.
 *
 * @category servers
 * @since 0.1.0
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
 * A rate limiter: admits `rate` tasks per second and bursts of `burst`, and rejects the others. Its latency is constant.
 *
 * @category servers
 * @since 0.1.0
 */
export const rateLimited = (
  options: ServerOptions & { readonly rate: Steps; readonly burst: number }
): ServerModel => ({ ...options, kind: "bucket" })

/**
 * A limiter with fixed windows: admits `count` tasks in each window of `window` milliseconds, and rejects the others.
 *
 * @category servers
 * @since 0.3.0
 */
export const windowLimited = (
  options: ServerOptions & { readonly count: Steps; readonly window: number }
): ServerModel => ({ ...options, kind: "windows" })

/**
 * A server that works in batches, such as a model on a GPU: collects up to `size` tasks for up to `wait` milliseconds,
 * and works on `capacity` batches at once. A batch takes as long as one task.
 *
 * @category servers
 * @since 0.3.0
 */
export const batching = (options: CapacityOptions & { readonly size: number; readonly wait: number }): ServerModel => ({
  ...options,
  kind: "batching"
})

/**
 * The source of tasks: there is always a next one (`backlog`), they arrive at random at `rate` per second (`open`), or
 * `count` tasks exist from the start and the run ends with the last one (`batch`).
 *
 * @category models
 * @since 0.1.0
 */
export type Load =
  | { readonly kind: "backlog" }
  | { readonly kind: "open"; readonly rate: Steps }
  | { readonly kind: "batch"; readonly count: number }

/**
 * A load in which there is always a next task.
 *
 * @category loads
 * @since 0.1.0
 */
export const backlog: Load = { kind: "backlog" }

/**
 * A load of tasks that arrive independently of each other (a Poisson process), `rate` per second.
 *
 * @category loads
 * @since 0.1.0
 */
export const open = (rate: Steps): Load => ({ kind: "open", rate })

/**
 * A load of `count` tasks at the start, and none later.
 *
 * @category loads
 * @since 0.1.0
 */
export const batch = (count: number): Load => ({ kind: "batch", count })

/**
 * Returns the value of `steps` at `time`.
 *
 * @category models
 * @since 0.1.0
 */
export const valueAt = (steps: Steps, time: number): number => {
  if (typeof steps === "number") return steps
  let value = steps[0]![1]
  for (const [from, next] of steps) if (from <= time) value = next
  return value
}

/**
 * Returns the times at which any of `steps` changes, in order, without 0.
 *
 * @category models
 * @since 0.1.0
 */
export const changes = (...all: ReadonlyArray<Steps | undefined>): ReadonlyArray<number> => {
  const times = new Set<number>()
  for (const steps of all) if (Array.isArray(steps)) for (const [from] of steps) if (from > 0) times.add(from)
  return [...times].toSorted((a, b) => a - b)
}
