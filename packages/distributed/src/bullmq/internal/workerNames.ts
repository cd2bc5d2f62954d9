/**
 * The names of workers. The broker knows a worker by its name alone, so the name tells all that others show of it.
 */
import type { DistributedPoolWorker } from "@aio-task-pool/core"
import { randomBytes } from "node:crypto"
import { hostname } from "node:os"

/** Makes the name of a worker of this process. No other worker has it. */
export const workerName = (concurrency: number): string =>
  `${hostname().replace(/[^\w.-]/g, "_")}-${process.pid}-${randomBytes(3).toString("hex")}-${concurrency}`

/** Returns what the name of a worker tells, or `undefined` for a name that this package has not made. */
export const readWorkerName = (name: string): Omit<DistributedPoolWorker, "running"> | undefined => {
  const [, host, pid, concurrency] = /^(.+)-(\d+)-[0-9a-f]{6}-(\d+)$/.exec(name) ?? []
  return host === undefined ? undefined : { host, pid: Number(pid), concurrency: Number(concurrency) }
}
