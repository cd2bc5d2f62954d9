/**
 * A bulk: one effect for each item of a source, run as tasks of the pool and pulled on demand.
 *
 * At any time a bulk has its running tasks and one *application*: a task without an item yet, which asks for a place as a
 * submitter does and takes its item from the source only when it gets one. When it is launched, the bulk applies again.
 * So no item is pulled that the pool cannot take, no fiber waits, and a bulk of a million items shares the queue fairly
 * with everybody else. An asynchronous source cannot be pulled within a step: there the item is fetched first and then
 * applies.
 *
 *     apply ──> place ──> item ──> waiting ──> launched ──> settled ──> told
 *       ↑                  │ none left            │             │ failed: stop, the rest is interrupted
 *       └──────────────────┼──────────────────────┘             │
 *                          └─> exhausted ───────────────────────┴─> nothing live: the caller is resumed
 *
 * A pool that admits no more, because it was paused or closes, ends a bulk as an exhausted source does: what it has
 * accepted goes on, and then the caller gets `NotAvailable`.
 *
 * A fiber whose item has succeeded goes on with the next one that is launched in the same step, if it is as good as new
 * (`Runner`, ADR 0002).
 */
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import { format } from "effect/Formatter"
import { hasProperty } from "effect/Predicate"
import type { Machine } from "./machine.ts"
import {
  type AsyncContext,
  captureAsyncContext,
  copyOf,
  foot,
  type Foot,
  goBackTo,
  isCurrent,
  isKnown,
  type RuntimeFiber
} from "./runtime.ts"
import { checkEffect, Task } from "./task.ts"

/** Where the items come from. */
export type Source =
  | { readonly isAsync: false; readonly iterator: Iterator<unknown> }
  | { readonly isAsync: true; readonly iterator: AsyncIterator<unknown> }

/** Walks an array as its own iterator does, and is itself the result of each step: nothing is allocated for an item. */
class ArrayWalk implements Iterator<unknown> {
  private readonly items: ReadonlyArray<unknown>
  private at = 0
  done = false
  value: unknown = undefined

  constructor(items: ReadonlyArray<unknown>) {
    this.items = items
  }

  next(): this {
    if (this.at < this.items.length) this.value = this.items[this.at++]
    else this.done = true
    return this
  }
}

const walksAsUsual = (items: unknown): items is ReadonlyArray<unknown> =>
  Array.isArray(items) && items[Symbol.iterator] === Array.prototype[Symbol.iterator]

/** Opens an iterable; refuses what is none. */
export const sourceOf = (where: string, items: Iterable<unknown> | AsyncIterable<unknown>): Source => {
  if (walksAsUsual(items)) return { isAsync: false, iterator: new ArrayWalk(items) }
  if (hasProperty(items, Symbol.iterator) || typeof items === "string") {
    return { isAsync: false, iterator: items[Symbol.iterator]() }
  }
  if (hasProperty(items, Symbol.asyncIterator)) {
    return { isAsync: true, iterator: items[Symbol.asyncIterator]() }
  }
  throw new TypeError(`${where}: items must be an Iterable or an AsyncIterable, got ${format(items)}`)
}

/** What a bulk is made of. */
export interface BulkOptions {
  readonly source: Source
  readonly f: (item: unknown, index: number) => unknown
  readonly weight: number
  /** What becomes of the values: an array in the order of the items, or of completion, or nothing. */
  readonly collect: "ordered" | "unordered" | "discard"
}

/** Runs a bulk in a pool and waits for its result; interrupting the caller interrupts all its tasks. */
export const runBulk = (machine: Machine, options: () => BulkOptions): Effect.Effect<any, any> =>
  Effect.callback((resume) => {
    const bulk = new Bulk(machine, options(), Fiber.getCurrent()!.context, resume)
    bulk.apply()
    machine.turn()
    return bulk.interrupt
  })

class Bulk {
  readonly options: BulkOptions
  readonly context: Context.Context<never>
  readonly asyncContext: AsyncContext | undefined
  readonly machine: Machine
  private onDone: (result: Effect.Effect<unknown, unknown>) => void
  /** How many of its applications and tasks have not been told of. */
  private live = 0
  /** The newest of them: every older one runs or has settled. */
  private application: BulkTask | undefined = undefined
  /** Settled tasks, to be used for the next items: nobody else has a hold on them. */
  private readonly spare: Array<BulkTask> = []
  private readonly values: Array<unknown> = []
  private pulled = 0
  /** Whether the async context is the bulk's now. */
  private inside = false
  /** `Ending`: nothing more is pulled, what was submitted settles; `Stopped`: it is interrupted. */
  private state: "Pulling" | "Ending" | "Stopped" | "Done" = "Pulling"
  private sourceOpen = true
  /** A fiber whose item has just ended, for the item that is launched next in this step. */
  vacant: Runner | undefined = undefined
  /** Whether an asynchronous source was asked for an item that has not arrived. */
  private owed = false
  /** The first failure: of a task, of admission, or of the source. */
  private failure: Exit.Exit<never, unknown> | undefined = undefined

  constructor(
    machine: Machine,
    options: BulkOptions,
    context: Context.Context<never>,
    onDone: (result: Effect.Effect<unknown, unknown>) => void
  ) {
    this.machine = machine
    this.options = options
    this.context = context
    this.asyncContext = captureAsyncContext()
    this.onDone = onDone
  }

  /** Asks the pool for a place for the next item. */
  apply(): void {
    if (this.state !== "Pulling") return
    const task = this.spare.pop() ?? new BulkTask(this)
    this.application = task
    this.live++
    if (this.options.source.isAsync) this.fetch(task, this.options.source.iterator)
    else this.machine.apply(task)
  }

  /** One of its tasks was launched, in the bulk's async context: entering that costs as much as pulling an item. */
  launched(): void {
    this.inside = this.asyncContext !== undefined && isCurrent(this.asyncContext)
    this.apply()
    this.inside = false
  }

  /** Gives the application the next item of a synchronous source, if there is one. */
  pull(task: BulkTask): void {
    const iterator = this.options.source.iterator as Iterator<unknown>
    // A plain `try`, because this runs for every item: wrapping each in a Result allocates more than its task does.
    try {
      this.give(task, this.inside ? iterator.next() : this.inContext(iterator.next, iterator))
    } catch (cause) {
      this.sourceFailed(cause)
    }
  }

  private fetch(task: BulkTask, iterator: AsyncIterator<unknown>): void {
    this.owed = true
    const arrived = (give: () => void): void => {
      this.owed = false
      // The bulk may have stopped meanwhile: nobody waits for this item.
      if (task.state !== "New") return
      give()
      if (task.index >= 0) {
        this.machine.apply(task)
      } else {
        task.state = "Settled"
        this.told(task)
      }
      this.machine.turn()
    }
    const fetchNext = async (): Promise<IteratorResult<unknown>> => iterator.next()
    this.inContext(fetchNext, undefined).then(
      (result) => arrived(() => this.give(task, result)),
      (cause) => arrived(() => this.sourceFailed(cause))
    )
  }

  private give(task: BulkTask, { done, value }: IteratorResult<unknown>): void {
    if (done === true) {
      this.sourceOpen = false
      this.state = "Ending"
    } else {
      task.index = this.pulled++
      task.item = value
    }
  }

  private sourceFailed(cause: unknown): void {
    this.sourceOpen = false
    this.state = "Ending"
    this.failure ??= Exit.die(cause)
  }

  /** One of its tasks has settled, was refused, or found no item. */
  told(task: BulkTask): void {
    this.live--
    const { exit } = task
    if (exit?._tag === "Success") this.collect(task.index, exit.value)
    else if (exit !== undefined) this.toldBad(task, Exit.failCause(exit.cause))
    if (this.state === "Pulling") {
      this.spare.push(task.renew())
      if (this.live === 1) this.lookAhead()
    } else if (this.live === 0) this.finish()
  }

  private toldBad(task: BulkTask, failure: Exit.Exit<never, unknown>): void {
    if (task.entered) this.fail(failure)
    else if (this.state === "Pulling") this.refused(task, failure)
  }

  /** The pool admits no more: what it has accepted goes on. A source that is at its end has lost nothing. */
  private refused(task: BulkTask, refusal: Exit.Exit<never, unknown>): void {
    if (task.index < 0) this.pull(task)
    this.state = "Ending"
    if (task.index >= 0) this.failure ??= refusal
  }

  /** When only the application is left, at a door that may not move, it takes its item now: there may be none. */
  private lookAhead(): void {
    const application = this.application!
    if (application.state !== "AtDoor" || application.index >= 0) return
    this.pull(application)
    if (application.index >= 0) return
    this.machine.door.remove(application)
    application.state = "Settled"
    this.live = 0
    this.finish()
  }

  private collect(index: number, value: unknown): void {
    const { collect } = this.options
    if (collect === "ordered" && index !== this.values.length) this.values[index] = value
    else if (collect !== "discard") this.values.push(value)
  }

  /** The first failure stops the bulk and interrupts the rest. */
  private fail(failure: Exit.Exit<never, unknown>): void {
    this.failure ??= failure
    if (this.state === "Stopped") return
    this.state = "Stopped"
    this.machine.withdraw(this.application!, undefined)
    for (const task of this.machine.running.toArray()) {
      if (task instanceof BulkTask && task.bulk === this) this.machine.withdraw(task, undefined)
    }
  }

  private finish(): void {
    if (this.state === "Done") return
    this.state = "Done"
    this.asyncContext?.emitDestroy()
    const { collect } = this.options
    const result = this.failure ?? Exit.succeed(collect === "discard" ? undefined : this.values)
    // A source that was left early may hold something: it is told, and waited for.
    this.onDone(this.sourceOpen ? Effect.andThen(this.leaveSource, result) : result)
  }

  private readonly leaveSource = Effect.suspend(() => {
    const { iterator } = this.options.source
    if (iterator.return === undefined) return Effect.void
    const leave = Effect.promise(async () => iterator.return!())
    // An async generator takes `return` only after the item it owes, which may never come: nobody waits for that.
    return this.owed ? Effect.asVoid(Effect.forkDetach(Effect.ignoreCause(leave), { startImmediately: true })) : leave
  })

  /** The caller was interrupted. */
  readonly interrupt = Effect.callback<void>((resume) => {
    if (this.state === "Done") return resume(Effect.void)
    this.onDone = (result) => resume(Effect.ignoreCause(result))
    this.fail(Exit.interrupt(Fiber.getCurrent()!.id))
    this.machine.turn()
  })

  private inContext<This, A>(f: (this: This) => A, self: This): A {
    const context = this.contextForOne()
    return context === undefined ? f.call(self) : context.runInAsyncScope(f, self, undefined)
  }

  /** Its async context, for one item or one look at the source. */
  contextForOne(): AsyncContext | undefined {
    return this.asyncContext && copyOf(this.asyncContext)
  }
}

// The item takes their place: a task with arguments is no plain effect.
const noArguments: ReadonlyArray<unknown> = []

/** One application, and once it has its item, one task. */
export class BulkTask extends Task {
  readonly bulk: Bulk
  index = -1
  item: unknown = undefined
  /** What watches over the fiber that was made for it, if one was. */
  private runner: Runner | undefined = undefined
  /** Whether the pool has admitted it. */
  entered = false

  constructor(bulk: Bulk) {
    super(bulk.machine, bulk.options.f, noArguments, bulk.options.weight, bulk.context)
    this.bulk = bulk
    this.asyncContext = bulk.contextForOne()
  }
  /** Makes a settled task an application again. */
  renew(): this {
    this.state = "New"
    this.asyncContext = this.bulk.contextForOne()
    this.index = -1
    this.entered = false
    this.exit = this.answer = this.ending = undefined
    return this
  }
  override begin(fiber: RuntimeFiber): Effect.Effect<unknown, unknown> {
    if (isKnown) fiber._stack.push((this.runner = new Runner(this, fiber)))
    return this.effect()
  }
  /** The effect that `f` gives for its item, now. */
  effect(): Effect.Effect<unknown, unknown> {
    return checkEffect(this.bulk.options.f(this.item, this.index))
  }
  override takesOver(): boolean {
    const runner = this.bulk.vacant
    if (runner === undefined) return false
    this.bulk.vacant = undefined
    this.launched()
    this.fiber = runner.fiber
    runner.task = this
    return true
  }
  override observer(): (exit: Exit.Exit<any, any>) => void {
    const { machine, runner } = this
    if (runner === undefined) return super.observer()
    return (exit) => {
      if (runner.task !== undefined) machine.ended(runner.task, exit)
    }
  }
  override enter(): boolean {
    if (this.index < 0) this.bulk.pull(this)
    return (this.entered = this.index >= 0)
  }
  override launched(): void {
    this.bulk.launched()
  }
  override forget(): void {
    // All else is the bulk's, and serves for its next item.
    this.item = this.fiber = undefined
  }
  override get awaited(): boolean {
    return true
  }
  override tell(): void {
    if (this.observers !== undefined) super.tell()
    this.bulk.told(this)
  }
}

// So many operations may a fiber do in one step until it is left: a step must not go on for ever.
const operationsInAStep = 64

/**
 * Lies at the foot of a fiber that runs items of a bulk, and lets it go on with the next item that is launched in the step
 * in which one has succeeded. To make a fiber, and to enter an async context with it, is a quarter of what an item costs.
 *
 * A fiber goes on only as good as new: watched by nobody else, without children, in the bulk's own async context. Else it
 * ends with its item, as that of any task. (What has been interrupted cannot succeed any more, and so never gets here.)
 */
class Runner implements Foot {
  /** The item that it runs, or is about to. */
  task: BulkTask | undefined
  readonly fiber: RuntimeFiber

  constructor(task: BulkTask, fiber: RuntimeFiber) {
    this.task = task
    this.fiber = fiber
  }

  next(value: unknown, fiber: RuntimeFiber): Effect.Effect<unknown, unknown> {
    const exit = Exit.succeed(value)
    const ended = this.task!
    if (!this.asGoodAsNew(ended.bulk)) return exit
    const task = this.settle(ended, exit)
    if (task === undefined) return exit
    // It may have been ended before it begins.
    if (task.ending !== undefined) return Effect.interrupt
    fiber.setContext(task.marked())
    fiber._stack.push(this)
    return task.effect()
  }

  /** Settles the task that has ended, and answers the one that was launched here instead. */
  private settle(ended: BulkTask, exit: Exit.Exit<unknown, unknown>): BulkTask | undefined {
    const { bulk, machine } = ended
    bulk.vacant = this
    this.task = undefined
    // A plain `try`: somebody's observer of a fiber that was told of its task may throw, which is not this fiber's business.
    try {
      machine.ended(ended, exit)
    } catch (thrown) {
      void Promise.reject(thrown)
    }
    bulk.vacant = undefined
    // A source, and whatever else began or was told, may have entered another.
    goBackTo(bulk.asyncContext!)
    return this.task
  }

  private asGoodAsNew({ asyncContext }: Bulk): boolean {
    const { _children, _observers, currentOpCount } = this.fiber
    return (
      // The one observer is the pool.
      _observers?.length === 1 &&
      (_children === undefined || _children.size === 0) &&
      currentOpCount < operationsInAStep &&
      asyncContext !== undefined &&
      isCurrent(asyncContext)
    )
  }
}
Object.assign(Runner.prototype, foot)
