/**
 * Tasks with weights, all submitted at once: the smallest weight runs first, equal weights in FIFO order.
 */
import { AioFixedTaskPoolPriority, TaskPool } from "@aio-task-pool/core"
import { Random } from "@aio-task-pool/testing/random"
import { priorityQueue } from "async"
import * as Effect from "effect/Effect"
import PQueue from "p-queue"
import type { Benchmark, Comparison, Side } from "../benchmark.ts"
import { timed } from "../clock.ts"
import { limit, Tally, tick, type Work, WorkNotDone } from "../work.ts"

/** Submits one task for each weight, in this order. */
type Way = (weights: ReadonlyArray<number>, task: (index: number) => Work) => Promise<unknown>

const atOnce = { concurrency: "unbounded" } as const

/** One caller, which keeps a handle of each task, as the peers' callers keep a promise. */
const taskPool: Way = (weights, task) =>
  Effect.gen(function* () {
    const handles = yield* Effect.forEach(
      weights,
      (weight, index) => TaskPool.fork(task(index).effect, { weight }),
      atOnce
    )
    return yield* Effect.forEach(handles, (handle) => handle.join)
  }).pipe(Effect.provide(AioFixedTaskPoolPriority.layer(limit)), Effect.runPromise)

/** One caller per task: a fiber that waits for its result. */
const taskPoolSubmit: Way = (weights, task) =>
  Effect.forEach(weights, (weight, index) => TaskPool.submit(task(index).effect, { weight }), atOnce).pipe(
    Effect.provide(AioFixedTaskPoolPriority.layer(limit)),
    Effect.runPromise
  )

const promiseQueue: Way = (weights, task) => {
  const tasks = new PQueue({ concurrency: limit })
  // In p-queue the largest priority runs first.
  return Promise.all(weights.map((weight, index) => tasks.add(task(index).promise, { priority: -weight })))
}

const asyncPriorityQueue: Way = (weights, task) => {
  const tasks: { pushAsync(run: Work["promise"], priority: number): Promise<unknown> } = priorityQueue(
    async (run: Work["promise"]) => await run(),
    limit
  )
  return Promise.all(weights.map((weight, index) => tasks.pushAsync(task(index).promise, weight)))
}

/** Throws unless the tasks began in the order of their weights, except the first ones, which found the pool empty. */
const checkOrder = (weights: ReadonlyArray<number>, begun: ReadonlyArray<number>): void => {
  for (let i = limit + 1; i < begun.length; i++) {
    const [one, other] = [begun[i - 1]!, begun[i]!]
    const difference = weights[one]! - weights[other]!
    if (difference > 0 || (difference === 0 && one > other)) {
      throw new WorkNotDone(`task ${one} of weight ${weights[one]} began before task ${other} of ${weights[other]}`)
    }
  }
}

const side =
  (weights: ReadonlyArray<number>, way: Way): Side =>
  async (now) => {
    const begun: Array<number> = []
    const tally = new Tally()
    const task = (index: number) =>
      tick.make({ begin: () => (begun.push(index), tally.begin()), end: () => tally.end() })
    const took = await timed(now, () => way(weights, task))
    tally.check(weights.length, { least: limit, most: limit })
    checkOrder(weights, begun)
    return took / weights.length
  }

const peers = { "p-queue": promiseQueue, "async.priorityQueue": asyncPriorityQueue }

export const priority: Benchmark = {
  name: "priority",
  title:
    "80,000 tasks with random weights (and all equal, and descending), 10 workers, each waits for one setImmediate",
  unit: "µs",
  comparisons: (quick) => {
    const length = quick ? 10_000 : 80_000
    const random = new Random(1)
    const weights = {
      random: Array.from({ length }, () => random.below(1_000_000)),
      equal: Array.from({ length }, () => 4),
      descending: Array.from({ length }, (_, index) => length - index)
    }
    const compare = (peer: keyof typeof peers, order: keyof typeof weights, target?: number): Comparison => ({
      peer: order === "random" ? peer : `${peer}, ${order}`,
      ours: side(weights[order], taskPool),
      theirs: side(weights[order], peers[peer]),
      ...(target !== undefined && { target: { ratio: target } })
    })
    const compareSubmit = (peer: keyof typeof peers, target?: number): Comparison => ({
      ...compare(peer, "random", target),
      peer: `${peer}, with a fiber for each caller`,
      ours: side(weights.random, taskPoolSubmit)
    })
    return [
      compare("p-queue", "random", 0.3),
      compare("async.priorityQueue", "random", 1),
      compareSubmit("p-queue", 0.3),
      compareSubmit("async.priorityQueue"),
      compare("p-queue", "equal"),
      compare("async.priorityQueue", "equal"),
      compare("p-queue", "descending"),
      compare("async.priorityQueue", "descending")
    ]
  }
}
