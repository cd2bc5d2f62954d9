/**
 * The names of a pool's keys in Redis, and the mapping between a task's ID and the ID of its job.
 *
 * All keys of a pool begin with `<prefix>:<name>:`. BullMQ owns `meta`, `marker`, `events` and the others that its manual
 * names. `pool` (a hash), `control` (a stream), `known` (a hash), `window` (a hash) and `decider` (a string) are of this
 * package. No job's key is among them, because each job's ID begins with `u.` or `w.`.
 */

/** The keys that this package reads or writes itself. */
export interface Keys {
  /** The record of the pool: what it is, its size, its holds. */
  readonly pool: string
  /** The stream by which the processes of a pool tell each other what changed. */
  readonly control: string
  /** The tasks that connected workers have handlers for, and when a worker last told so. */
  readonly known: string
  /** The sums that the workers of an auto-scale pool add to. */
  readonly window: string
  /** The process that decides the size of an auto-scale pool at the moment. */
  readonly decider: string
  /** BullMQ's settings of the queue. */
  readonly meta: string
  /** What BullMQ's idle workers wait for. */
  readonly marker: string
  /** BullMQ's stream of events. */
  readonly events: string
  /** The beginning of all keys. */
  readonly base: string
}

export const keysOf = (prefix: string, name: string): Keys => {
  const base = `${prefix}:${name}:`
  const key = (suffix: string) => `${base}${suffix}`
  return {
    base,
    pool: key("pool"),
    control: key("control"),
    known: key("known"),
    window: key("window"),
    decider: key("decider"),
    meta: key("meta"),
    marker: key("marker"),
    events: key("events")
  }
}

/**
 * Returns the job ID of a task. BullMQ refuses integers and colons, and replaces an empty ID by a number.
 *
 * UTF-8 has no lone surrogates, and would map different IDs to the same one: those are encoded as UTF-16.
 */
export const jobIdOf = (id: string): string => {
  const bytes = Buffer.from(id, "utf8")
  return bytes.toString("utf8") === id
    ? `u.${bytes.toString("base64url")}`
    : `w.${Buffer.from(id, "utf16le").toString("base64url")}`
}

/** Returns the ID of the task that a job carries, or `undefined` for a job of another program. */
export const taskIdOf = (jobId: string): string | undefined => {
  const encoding = jobId.startsWith("u.") ? "utf8" : jobId.startsWith("w.") ? "utf16le" : undefined
  return encoding === undefined ? undefined : Buffer.from(jobId.slice(2), "base64url").toString(encoding)
}
