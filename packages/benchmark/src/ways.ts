/**
 * The ways to run many tasks within a limit: ours, Effect's own, and the peers', each as its users write it.
 */
import { AioFixedTaskPoolSimple, TaskPool } from "@aio-task-pool/core"
import { queue } from "async"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import * as PartitionedSemaphore from "effect/PartitionedSemaphore"
import * as Semaphore from "effect/Semaphore"
import * as fastq from "fastq"
import pLimit from "p-limit"
import PQueue from "p-queue"
import { limit, type Way, type Work } from "./work.ts"

/** One caller per item, all at once. */
const atOnce = { concurrency: "unbounded" } as const

/** Ours: each caller submits its task to the pool. */
export const submitTo =
  (layer: Layer.Layer<TaskPool>): Way =>
  ({ effect }, items) =>
    Effect.forEach(items, () => TaskPool.submit(effect), atOnce).pipe(Effect.provide(layer), Effect.runPromise)

export const taskPool = submitTo(AioFixedTaskPoolSimple.layer(limit))

// ---- Effect's own --------------------------------------------------------------------------------------------------

/** The minimum in Effect: a fiber for each task, and no limit. */
export const unlimited: Way = ({ effect }, items) => Effect.runPromise(Effect.forEach(items, () => effect, atOnce))

export const effectSemaphore: Way = ({ effect }, items) => {
  const semaphore = Semaphore.makeUnsafe(limit)
  return Effect.runPromise(Effect.forEach(items, () => semaphore.withPermit(effect), atOnce))
}

export const effectPartitionedSemaphore: Way = ({ effect }, items) => {
  const semaphore = PartitionedSemaphore.makeUnsafe<string>({ permits: limit })
  const withPermit = semaphore.withPermit("all")
  return Effect.runPromise(Effect.forEach(items, () => withPermit(effect), atOnce))
}

export const effectForEach: Way = ({ effect }, items) =>
  Effect.runPromise(Effect.forEach(items, () => effect, { concurrency: limit }))

// ---- on promises ---------------------------------------------------------------------------------------------------

export const promiseLimit: Way = ({ promise }, items) => {
  const run = pLimit(limit)
  return Promise.all(items.map(() => run(promise)))
}

export const promiseQueue: Way = ({ promise }, items) => {
  const tasks = new PQueue({ concurrency: limit })
  return Promise.all(items.map(() => tasks.add(promise)))
}

export const fastQueue: Way = ({ promise }, items) => {
  const tasks = fastq.promise((task: Work["promise"]) => task(), limit)
  return Promise.all(items.map(() => tasks.push(promise)))
}

export const asyncQueue: Way = ({ promise }, items) => {
  // `async` recognizes an asynchronous worker by its syntax.
  const tasks = queue(async (task: Work["promise"]) => await task(), limit)
  return Promise.all(items.map(() => tasks.pushAsync(promise)))
}

// ---- on promises, called by a user of Effect -----------------------------------------------------------------------

export const wrappedPromiseLimit: Way = ({ effect }, items) => {
  const run = pLimit(limit)
  const task = Effect.promise(() => run(() => Effect.runPromise(effect)))
  return Effect.runPromise(Effect.forEach(items, () => task, atOnce))
}

export const wrappedPromiseQueue: Way = ({ effect }, items) => {
  const tasks = new PQueue({ concurrency: limit })
  const task = Effect.promise(() => tasks.add(() => Effect.runPromise(effect)))
  return Effect.runPromise(Effect.forEach(items, () => task, atOnce))
}
