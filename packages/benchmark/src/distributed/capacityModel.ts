/**
 * What one Redis server can carry, computed from slopes that `capacity.ts` measures, and what splitting a pool costs.
 *
 * The load of the server is a sum: a part for each task, a part for each task and submitter, because every submitter reads
 * the events of all tasks, and a part for each process that only waits.
 */
import { Random } from "@aio-task-pool/testing/random"

/** Processor time of the server's main thread in microseconds, and memory in bytes. */
export interface Slopes {
  /** Of a task, without its events' readers. */
  readonly task: number
  /** Of a task, for each submitter that reads its events. */
  readonly fanOut: number
  /** Of a second of a worker. */
  readonly worker: number
  /** Of a second of a submitter. */
  readonly submitter: number
  /** Memory of a waiting task with a small payload. */
  readonly waiting: number
}

/** A number of processes. */
export interface Processes {
  readonly submitters: number
  readonly workers: number
}

/** Returns the processor time that the server needs, as a share of one core. */
export const load = (slopes: Slopes, { submitters, workers }: Processes, tasksPerSecond: number): number =>
  (tasksPerSecond * (slopes.task + slopes.fanOut * submitters) +
    workers * slopes.worker +
    submitters * slopes.submitter) /
  1e6

/** Returns the tasks per second at which the load reaches a share of a core, or 0 if the processes alone need more. */
export const tasksPerSecondAt = (slopes: Slopes, processes: Processes, share: number): number =>
  Math.max(0, (1e6 * (share - load(slopes, processes, 0))) / (slopes.task + slopes.fanOut * processes.submitters))

/** Returns the part of the load that is the delivery of events. */
export const fanOutShare = (slopes: Slopes, processes: Processes, tasksPerSecond: number): number =>
  (tasksPerSecond * slopes.fanOut * processes.submitters) / 1e6 / load(slopes, processes, tasksPerSecond)

/** Returns the sizes of `parts` pools that together run `size` tasks at once: they differ by at most 1. */
export const split = (size: number, parts: number): ReadonlyArray<number> =>
  Array.from({ length: parts }, (_, i) => Math.floor(size / parts) + (i < size % parts ? 1 : 0))

/** What a simulation is of. Times are in means of the run time, which is distributed exponentially. */
export interface SplitOptions {
  /** Tasks at once over all parts. */
  readonly size: number
  readonly parts: number
  /** Mean share of the places that the tasks need, below 1. */
  readonly utilization: number
  /** How many times as many tasks as the others the first part gets, default 1. */
  readonly skew?: number
  readonly tasks: number
  readonly seed: number
}

/** What came of a simulation. */
export interface SplitResult {
  readonly meanWait: number
  /** 99 of 100 tasks waited no longer. */
  readonly longWait: number
  /** Mean share of the places that are idle while a task waits in another part. */
  readonly idle: number
  /** Share of the tasks that started after a task that was submitted later. */
  readonly overtaken: number
}

/** Simulates first-in first-out pools, to one of which each task goes at random. */
export const simulateSplit = ({ parts, seed, size, skew = 1, tasks, utilization }: SplitOptions): SplitResult => {
  const random = new Random(seed)
  const exponential = () => -Math.log(1 - random.next())
  /** When each place of each part is free. */
  const places = split(size, parts).map((count) => Array.from({ length: count }, () => 0))
  const arrivals: Array<number> = []
  const starts: Array<number> = []
  const changes: Array<readonly [at: number, waiting: number, running: number]> = []
  let now = 0
  for (let i = 0; i < tasks; i++) {
    now += exponential() / (utilization * size)
    const at = Math.floor(random.next() * (parts - 1 + skew) - skew + 1)
    const free = places[Math.max(0, at)]!
    let first = 0
    for (let k = 1; k < free.length; k++) if (free[k]! < free[first]!) first = k
    const start = Math.max(now, free[first]!)
    const end = start + exponential()
    free[first] = end
    arrivals.push(now)
    starts.push(start)
    if (start > now) changes.push([now, 1, 0])
    changes.push([start, start > now ? -1 : 0, 1], [end, 0, -1])
  }
  const waits = starts.map((start, i) => start - arrivals[i]!).sort((a, b) => a - b)
  let overtaken = 0
  let earliest = Infinity
  for (const start of starts.toReversed()) {
    if (start > earliest) overtaken++
    earliest = Math.min(earliest, start)
  }
  return {
    meanWait: waits.reduce((sum, wait) => sum + wait, 0) / tasks,
    longWait: waits[Math.floor(0.99 * tasks)]!,
    idle: idleWhileWaiting(changes, size, now),
    overtaken: overtaken / tasks
  }
}

/** The places that tasks of other parts could have used, up to the last arrival. */
const idleWhileWaiting = (
  changes: Array<readonly [at: number, waiting: number, running: number]>,
  size: number,
  until: number
): number => {
  let before = 0
  let waiting = 0
  let running = 0
  let idle = 0
  for (const [at, waits, runs] of changes.sort(([a], [b]) => a - b)) {
    if (at > until) break
    idle += (at - before) * Math.min(waiting, size - running)
    before = at
    waiting += waits
    running += runs
  }
  return idle / (size * until)
}

const waitingProcesses = { worker: 240, submitter: 165, waiting: 870 }

/** 100 tasks per second: the server wakes a worker and each reader for every one of them. */
const apart: Slopes = { ...waitingProcesses, task: 650, fanOut: 10 }

/** 500 tasks per second: some share a system call. */
const between: Slopes = { ...waitingProcesses, task: 325, fanOut: 7 }

/** All places are busy: a worker fetches the next task when it stores a result, and events are read several at a time. */
const close: Slopes = { ...waitingProcesses, task: 105, fanOut: 4.5 }

const table = (head: ReadonlyArray<string>, rows: ReadonlyArray<ReadonlyArray<string | number>>): string =>
  [head, head.map(() => "---"), ...rows].map((cells) => `| ${cells.join(" | ")} |`).join("\n")

const percent = (share: number): string => `${(100 * share).toFixed(share < 0.1 ? 1 : 0)} %`
/** Two digits: the slopes have no more. */
const rough = (value: number): string => Number(value.toPrecision(2)).toLocaleString("en")

/** Returns the computed tables of `docs/guide/past-one-redis.md`. */
export const capacityTables = (): string => {
  const workers = [8, 100, 300, 1000]
  const limits = [1, 4, 16, 64].map((submitters) => [
    submitters,
    ...workers.map((count) => rough(tasksPerSecondAt(close, { submitters, workers: count }, 1))),
    percent(fanOutShare(close, { submitters, workers: 100 }, tasksPerSecondAt(close, { submitters, workers: 100 }, 1)))
  ])
  const mean = 1e7 / 86_400
  const days = [
    [1, 100],
    [4, 300],
    [4, 1000],
    [16, 1000]
  ].map(([submitters = 0, workers = 0]) => [
    submitters,
    workers,
    percent(load(apart, { submitters, workers }, 0)),
    percent(load(apart, { submitters, workers }, mean)),
    percent(load(between, { submitters, workers }, 5 * mean)),
    percent(load(between, { submitters, workers }, 10 * mean))
  ])
  const splits = [1, 2, 4, 8, 16].map((parts) => [
    parts,
    split(64, parts)[0]!,
    ...[
      { utilization: 0.5, skew: 1 },
      { utilization: 0.8, skew: 1 },
      { utilization: 0.8, skew: 1.2 }
    ].flatMap((options) => {
      if (parts === 1 && options.skew > 1) return ["", ""]
      const { idle, longWait } = simulateSplit({ ...options, size: 64, parts, tasks: 200_000, seed: parts })
      return [longWait.toFixed(2), percent(idle)]
    }),
    percent(simulateSplit({ utilization: 0.8, size: 64, parts, tasks: 200_000, seed: parts }).overtaken)
  ])
  return [
    table(["submitters", ...workers.map((count) => `${count} workers`), "events' share at 100 workers"], limits),
    table(["submitters", "workers", "no tasks", "mean, 116/s", "peak of 5, 579/s", "peak of 10, 1,157/s"], days),
    `waiting tasks in 1 GB: ${rough(1e9 / close.waiting)}`,
    table(
      [
        "parts",
        "size of each",
        "p99 at 50 %",
        "idle",
        "p99 at 80 %",
        "idle",
        "p99 at 80 %, one part 1.2",
        "idle",
        "overtaken"
      ],
      splits
    )
  ].join("\n\n")
}
