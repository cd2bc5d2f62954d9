/**
 * Runs a task that waits for its own pool, or for two pools in turns, step by step.
 */
import {
  AioFixedTaskPoolLifo,
  AioFixedTaskPoolPriority,
  AioFixedTaskPoolSimple,
  NotAvailable,
  type PoolStats,
  type TaskHandle,
  type TaskPoolService
} from "@aio-task-pool/core"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import { statsOf } from "../../src/internal/ledger.ts"
import { StepWorld } from "../../src/internal/stepWorld.ts"
import { type Body, type Fork, type Operation, type Outcomes, outcomesOf, type Pause } from "./bodies.ts"

/** The pools that a task runs in. */
export interface Setting {
  readonly discipline: "fifo" | "lifo" | "priority"
  readonly size: number
  readonly capacity: number | undefined
  readonly onFull: "suspend" | "fail"
  /** With two, the task begins in both, and each runs in the other pool than the one that it is nested in. */
  readonly pools: 1 | 2
  /** Submitters beside the task, whose tasks are urgent. */
  readonly crowd: number
  /** Operations that a fiber may do in one step. */
  readonly budget: number
}

/** What became of a run: the rule that did not hold, or the number of its steps. */
export type Ran = { readonly broken: string } | { readonly broken: undefined; readonly steps: number }

const disciplines = {
  fifo: AioFixedTaskPoolSimple,
  lifo: AioFixedTaskPoolLifo,
  priority: AioFixedTaskPoolPriority
} as const

const asItBegins = "as a task begins"

// The longest runs need about 300.
const stepLimit = 2_000

type State = "new" | "active" | "inside" | "ended" | "left"

/** A task as its own code sees it. */
interface Record {
  readonly pool: TaskPoolService
  readonly outcomes: Outcomes
  state: State
  /** While it waits: how many tasks it waits for, and how many of these have ended. */
  expected: number
  ended: number
  /** Whether a failure beside it interrupts it, directly or with a task that waits for it. */
  interrupted: boolean
  /** Tasks that it has begun and waits for, and whether one of them has failed. */
  inner: Array<Record>
  failing: boolean
  /** The task that it has forked, until it has the handle: an interruption ends both. */
  forking: Record | undefined
}

export const runBody = (body: Body, setting: Setting): Ran => {
  const running = new Running(setting)
  const broken = running.run(body)
  return broken === undefined ? { broken, steps: running.steps } : { broken }
}

class Running {
  steps = 0
  private readonly setting: Setting
  private readonly world: StepWorld
  private readonly pools: Array<TaskPoolService> = []
  private readonly records: Array<Record> = []
  private readonly forked: Array<{ readonly handle: TaskHandle<string, unknown>; readonly outcomes: Outcomes }> = []
  private broken: string | undefined = undefined
  private begun = 0

  constructor(setting: Setting) {
    this.setting = setting
    this.world = new StepWorld({ budget: setting.budget })
  }

  run(body: Body): string | undefined {
    const { capacity, crowd, discipline, onFull, pools, size } = this.setting
    for (let i = 0; i < pools; i++) {
      const making = this.world.fork(disciplines[discipline].make({ size, capacity, onFull, name: `pool ${i}` }))
      this.pools.push(this.endOf(making))
    }
    const tasks = this.pools.map((_, index) => {
      const path = `task ${index}`
      return {
        fiber: this.world.fork(this.submit(body, path, index, undefined)),
        outcomes: outcomesOf(body, path)
      }
    })
    const others = Array.from({ length: crowd }, (_, index) =>
      this.world.fork(this.stranger(index % pools, index < pools ? 2 : 1))
    )
    this.look("at first")
    this.stepAll()
    if (this.broken !== undefined) return this.broken
    if (others.some((fiber) => fiber.pollUnsafe() === undefined)) return this.seen("a submitter hangs")
    for (const { fiber, outcomes } of tasks) {
      const exit = fiber.pollUnsafe()
      if (exit === undefined) return this.seen("it hangs")
      if (!this.isFit(exit, outcomes)) return this.seen(`the result is ${wordOf(exit)}`)
    }
    this.finish()
    return this.broken
  }

  /** Everything has settled: nothing is lent, the numbers tell what was done, and the pools close. */
  private finish(): void {
    for (const { handle, outcomes } of this.forked) {
      const polled = this.endOf(this.world.fork(handle.poll))
      if (polled._tag === "None") this.violated("I3: a forked task has not settled")
      else if (!this.isFit(polled.value, outcomes)) this.violated(`the result of a fork is ${wordOf(polled.value)}`)
    }
    let [settled, interrupted] = [0, 0]
    for (const stats of this.pools.map(statsOf)) {
      if (stats.running + stats.busy + stats.lent + stats.waiting + stats.atDoor > 0) this.violated("something is left")
      settled += stats.succeeded + stats.failed + stats.interrupted
      interrupted += stats.interrupted
    }
    // A task may be interrupted between its start and its first operation.
    if (settled < this.begun || settled - this.begun > interrupted)
      this.violated(`I3: ${this.begun} tasks have begun, and ${settled} have settled`)
    const closing = this.world.fork(Scope.close(this.world.scope, Exit.void))
    this.stepAll()
    if (closing.pollUnsafe() === undefined) this.violated("closing hangs")
    if (this.world.left !== undefined) this.violated(this.world.left)
  }

  private endOf<A>(fiber: Fiber.Fiber<A, unknown>): A {
    while (fiber.pollUnsafe() === undefined && this.world.scheduler.step());
    const exit = fiber.pollUnsafe()
    if (exit?._tag !== "Success") throw new Error(`a call does not succeed: ${String(exit)}`)
    return exit.value
  }

  private stepAll(): void {
    while (this.broken === undefined && this.world.scheduler.step()) {
      this.look("after a step")
      this.lookBetweenSteps()
      if (++this.steps > stepLimit) this.violated(`no end after ${stepLimit} steps`)
    }
  }

  // ---- what must hold -----------------------------------------------------------------------------------------------

  private seen(what: string): string {
    return `${what}: ${JSON.stringify(this.pools.map(statsOf))}`
  }

  private violated(what: string): void {
    this.broken ??= this.seen(what)
  }

  private look(where: string): void {
    if (this.broken !== undefined) return
    for (const pool of this.pools) this.lookAt(pool, statsOf(pool), where)
  }

  private lookAt(pool: TaskPoolService, stats: PoolStats, where: string): void {
    const { busy, cancelled, delayed, failed, interrupted, lent, running, submitted, succeeded, waiting } = stats
    const settled = succeeded + failed + interrupted + cancelled
    if (submitted !== settled + waiting + delayed + running) this.violated(`I3: the numbers do not add up, ${where}`)
    if (waiting > stats.capacity) this.violated(`I8: more wait than may, ${where}`)
    if (busy + lent !== running) this.violated(`a worker is lost, ${where}`)
    let [active, excused, returning, inside] = [0, 0, 0, 0]
    for (const record of this.records) {
      if (record.pool !== pool || record.state === "left" || record.state === "new") continue
      // A task that is interrupted takes its worker back above the limit, and leaves it some steps after its own end.
      if (record.state === "ended" && (!record.interrupted || busy <= stats.targetSize)) record.state = "left"
      else if (record.interrupted) excused++
      else if (record.state === "active") active++
      else {
        inside++
        if (record.ended === record.expected) returning++
      }
    }
    if (lent > inside + excused) this.violated(`${lent} workers are lent, ${where}`)
    if (busy > stats.targetSize + excused) this.violated(`I1: ${busy} workers are busy, ${where}`)
    if (active > busy) this.violated(`I1: ${active} tasks compute, ${where}`)
    // What the returning tasks wait for has ended: nothing may start in their place. (A task that waits for another pool
    // comes back when its fiber goes on.)
    if (this.pools.length === 1 && where === asItBegins && active + returning > stats.targetSize + excused) {
      this.violated(`a task starts before another one that returns`)
    }
  }

  /** Dispatch happens in the step that makes it possible. */
  private lookBetweenSteps(): void {
    if (this.broken !== undefined) return
    for (const { atDoor, busy, capacity, targetSize, waiting } of this.pools.map(statsOf)) {
      if (waiting + atDoor > 0 && busy < targetSize) this.violated("I2: a task waits beside a free worker")
      if (atDoor > 0 && waiting < capacity) this.violated("I9: a task stands at the door beside a free place")
    }
  }

  private isFit(exit: Exit.Exit<string, unknown>, { others, value }: Outcomes): boolean {
    if (Exit.isSuccess(exit)) return exit.value === value
    if (!isRejection(exit)) return others.has(wordOf(exit))
    const { reason, stats } = rejectionOf(exit)!
    // It was refused for what the pool was at that moment. Others may be ahead of it beside a free worker: no other task is
    // dispatched while one starts.
    return (
      this.setting.onFull === "fail" &&
      reason === "QueueFull" &&
      stats.waiting >= stats.capacity &&
      (stats.waiting + stats.atDoor > 0 || stats.busy >= stats.targetSize)
    )
  }

  // ---- tasks --------------------------------------------------------------------------------------------------------

  /** Urgent tasks that know nothing of the others. */
  private stranger(index: number, times: number): Effect.Effect<void> {
    const pool = this.pools[index]!
    const one = Effect.suspend(() => {
      const record = this.record(pool, { value: "stranger", others: new Set() }, undefined)
      return Effect.exit(pool.submit(this.recorded(record, Effect.as(Effect.yieldNow, "stranger")), { weight: 1 }))
    })
    return times === 1 ? Effect.asVoid(one) : Effect.andThen(one, this.stranger(index, times - 1))
  }

  private submit(body: Body, path: string, depth: number, outer: Record | undefined): Effect.Effect<string, unknown> {
    return this.poolAt(depth).submit(this.task(body, path, depth, outer))
  }

  private poolAt(depth: number): TaskPoolService {
    return this.pools[depth % this.pools.length]!
  }

  private record(pool: TaskPoolService, outcomes: Outcomes, outer: Record | undefined): Record {
    const record: Record = {
      pool,
      outcomes,
      state: "new",
      expected: 1,
      ended: 0,
      interrupted: outer !== undefined && (outer.interrupted || outer.failing),
      inner: [],
      failing: false,
      forking: undefined
    }
    this.records.push(record)
    outer?.inner.push(record)
    return record
  }

  /** The effect of a task, which `outer` waits for, or which `forker` forks. */
  private task(
    body: Body,
    path: string,
    depth: number,
    outer: Record | undefined,
    forker?: Record
  ): Effect.Effect<string, unknown> {
    const outcomes = outcomesOf(body, path)
    return Effect.suspend(() => {
      const record = this.record(this.poolAt(depth), outcomes, outer)
      if (forker !== undefined && forker.state === "inside") {
        forker.forking = record
        record.interrupted = forker.interrupted
      }
      return Effect.onExit(this.recorded(record, this.does(body, path, depth, record)), (exit) =>
        Effect.sync(() => {
          if (outer === undefined) return
          outer.ended++
          if (Exit.isSuccess(exit)) return
          outer.failing = true
          for (const sibling of outer.inner) if (sibling !== record) interrupt(sibling)
        })
      )
    })
  }

  private recorded(record: Record, effect: Effect.Effect<string, unknown>): Effect.Effect<string, unknown> {
    const begin = Effect.sync(() => {
      this.begun++
      record.state = "active"
      this.look(asItBegins)
    })
    const end = (exit: Exit.Exit<string, unknown>) =>
      Effect.sync(() => {
        this.look("as a task ends")
        record.state = "ended"
        const fits = this.isFit(exit, record.outcomes) || (record.interrupted && wordOf(exit) === "interrupt")
        if (!fits) this.violated(`a task ends with ${wordOf(exit)}`)
      })
    return Effect.acquireUseRelease(
      begin,
      () => effect,
      (_, exit) => end(exit)
    )
  }

  private does(body: Body, path: string, depth: number, record: Record): Effect.Effect<string, unknown> {
    return Effect.gen({ self: this }, function* () {
      const values: Array<string> = []
      const handles: Array<TaskHandle<string, unknown>> = []
      for (const [index, operation] of body.operations.entries()) {
        const at = `${path}.${index}`
        if (operation.do === "yield") yield* Effect.yieldNow
        else if (isFork(operation)) {
          const handle = yield* this.fork(operation.body, at, depth + 1, record)
          if (operation.do === "fork and join") handles.push(handle)
        } else values.push(yield* this.operation(operation, at, depth + 1, record))
      }
      for (const { join } of handles) values.push(yield* this.inside(record, 1, join))
      if (body.end === "value") return `${path}(${values.join()})`
      return yield* body.end === "failure" ? Effect.fail(`failure ${path}`) : Effect.interrupt
    })
  }

  private fork(body: Body, path: string, depth: number, record: Record) {
    // It is not known here when the task is admitted.
    const forking = this.poolAt(depth).fork(this.task(body, path, depth, undefined, record))
    return Effect.tap(this.inside(record, Infinity, forking), (handle) =>
      Effect.sync(() => {
        record.forking = undefined
        this.forked.push({ handle, outcomes: outcomesOf(body, path) })
      })
    )
  }

  private operation(
    operation: Exclude<Operation, Pause | Fork>,
    path: string,
    depth: number,
    record: Record
  ): Effect.Effect<string, unknown> {
    if (operation.do === "submit") {
      return this.inside(record, 1, this.submit(operation.body, path, depth, record))
    }
    const pool = this.poolAt(depth)
    const both =
      "body" in operation
        ? pool.forEach([0, 1], () => this.task(operation.body, path, depth, record))
        : pool.all(operation.bodies.map((body, index) => this.task(body, `${path}.${index}`, depth, record)))
    return Effect.map(this.inside(record, 2, both), (values) => `[${values.join()}]`)
  }

  /** A task waits for its pool. In another pool it keeps its worker. */
  private inside<A>(record: Record, expected: number, effect: Effect.Effect<A, unknown>): Effect.Effect<A, unknown> {
    return Effect.suspend(() => {
      record.state = "inside"
      record.expected = expected
      record.ended = 0
      record.inner = []
      record.failing = false
      return Effect.onExit(effect, () =>
        Effect.sync(() => {
          record.state = "active"
          this.look("as a wait ends")
        })
      )
    })
  }
}

const isFork = (operation: Operation): operation is Fork => operation.do === "fork" || operation.do === "fork and join"

const interrupt = (record: Record): void => {
  record.interrupted = true
  for (const inner of record.inner) interrupt(inner)
  if (record.forking !== undefined) interrupt(record.forking)
}

const rejectionOf = (exit: Exit.Exit<unknown, unknown>): NotAvailable | undefined => {
  if (Exit.isSuccess(exit)) return undefined
  const error = exit.cause.reasons.find(Cause.isFailReason)?.error
  return error instanceof NotAvailable ? error : undefined
}

const isRejection = (exit: Exit.Exit<unknown, unknown>): boolean => rejectionOf(exit) !== undefined

const wordOf = (exit: Exit.Exit<unknown, unknown>): string => {
  if (Exit.isSuccess(exit)) return String(exit.value)
  const failure = exit.cause.reasons.find(Cause.isFailReason)
  if (failure !== undefined) return String(failure.error)
  return Cause.hasInterruptsOnly(exit.cause) ? "interrupt" : String(exit.cause)
}
