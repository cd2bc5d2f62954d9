/** What a fault test and its processes tell each other. */

/** What a process is to do. */
export interface Config {
  readonly url: string
  readonly name: string
  readonly prefix?: string
  readonly kind?: "Simple" | "Lifo" | "Priority"
  readonly size?: number
  /** Tasks at once in this process; 0 for a process that only submits. */
  readonly concurrency?: number
  /** Milliseconds, as all times. */
  readonly lease?: number
  readonly stalledCheck?: number
  readonly maxDeaths?: number
  readonly sweep?: number
  readonly drainTimeout?: number
  readonly connectTimeout?: number
  readonly clockOffset?: number
  /** A file. Tasks that block keep the whole process busy until it exists. Without one they wait for their gate. */
  readonly blockUntil?: string
  /** Whether the worker has only handlers of other tasks. */
  readonly unknown?: boolean
  /** The keys, and IDs, of tasks to fork. */
  readonly submit?: ReadonlyArray<string>
}

/** What a process tells. */
export type Message =
  | { readonly ready: true }
  | { readonly submitted: true }
  | { readonly started: string; readonly attempt: number; readonly stalls: number }
  | { readonly ended: string }
  | { readonly interrupted: string }
  | { readonly closed: true }

/** What a process is told. */
export type Order = { readonly open: string } | { readonly close: true }

/** The name of the connection by which a process counts. */
export const clientName = (pid: number): string => `fault-${pid}`

/**
 * Adds a task to those in flight, and keeps their largest number. Redis orders the steps of all processes, so that a task
 * that ended is taken out before its successor comes in. The tasks are a set: a client sends a command again if its
 * connection broke before the answer.
 */
export const enterScript = `
redis.call('SADD', KEYS[1], ARGV[1])
local count = redis.call('SCARD', KEYS[1])
if count > tonumber(redis.call('GET', KEYS[1] .. '-max') or '0') then redis.call('SET', KEYS[1] .. '-max', count) end
return count
`
export const leaveScript = "return redis.call('SREM', KEYS[1], ARGV[1])"

/** The start of the members of a process in the set. The test takes out those of a killed one. */
export const memberPrefix = (pid: number): string => `${pid}:`
