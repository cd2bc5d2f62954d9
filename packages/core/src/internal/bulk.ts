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
 */
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import { format } from "effect/Formatter"
import { hasProperty } from "effect/Predicate"
import * as Result from "effect/Result"
import type { Machine } from "./machine.ts"
import { type AsyncContext, captureAsyncContext, Task } from "./task.ts"

/** Where the items come from. */
export type Source =
  | { readonly isAsync: false; readonly iterator: Iterator<unknown> }
  | { readonly isAsync: true; readonly iterator: AsyncIterator<unknown> }

/** Opens an iterable; refuses what is none. */
export const sourceOf = (where: string, items: Iterable<unknown> | AsyncIterable<unknown>): Source => {
  if (hasProperty(items, Symbol.iterator) || typeof items === "string") {
    return { isAsync: false, iterator: (items as Iterable<unknown>)[Symbol.iterator]() }
  }
  if (hasProperty(items, Symbol.asyncIterator)) {
    return { isAsync: true, iterator: (items as AsyncIterable<unknown>)[Symbol.asyncIterator]() }
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
  private readonly machine: Machine
  private onDone: (result: Effect.Effect<unknown, unknown>) => void
  /** Its applications and tasks that have not been told of. */
  private readonly live = new Set<BulkTask>()
  private readonly values: Array<unknown> = []
  private pulled = 0
  private state: "Pulling" | "Exhausted" | "Stopped" | "Done" = "Pulling"
  /** The application that waits for its item from an asynchronous source. */
  private fetching: BulkTask | undefined = undefined
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
    const task = new BulkTask(this)
    this.live.add(task)
    if (this.options.source.isAsync) this.fetch(task, this.options.source.iterator)
    else this.machine.apply(task)
  }

  /** Gives the application the next item of a synchronous source, if there is one. */
  pull(task: BulkTask): void {
    const { source } = this.options
    if (!source.isAsync)
      this.give(
        task,
        Result.try(() => this.inContext(() => source.iterator.next()))
      )
  }

  private fetch(task: BulkTask, iterator: AsyncIterator<unknown>): void {
    this.fetching = task
    const arrived = (result: Result.Result<IteratorResult<unknown>, unknown>): void => {
      // The bulk may have stopped meanwhile: nobody waits for this item.
      if (this.fetching !== task) return
      this.fetching = undefined
      this.give(task, result)
      if (task.index < 0) this.told(task)
      else this.machine.apply(task)
      this.machine.turn()
    }
    this.inContext(() =>
      Promise.resolve(iterator)
        .then((iterator) => iterator.next())
        .then(
          (result) => arrived(Result.succeed(result)),
          (cause) => arrived(Result.fail(cause))
        )
    )
  }

  private give(task: BulkTask, pulled: Result.Result<IteratorResult<unknown>, unknown>): void {
    if (Result.isSuccess(pulled) && pulled.success.done !== true) {
      task.index = this.pulled++
      task.item = pulled.success.value
      return
    }
    // What was submitted settles; nothing more is pulled.
    this.state = "Exhausted"
    if (Result.isFailure(pulled)) this.failure ??= Exit.die(pulled.failure)
  }

  /** One of its tasks has settled, was refused, or found no item. */
  told(task: BulkTask): void {
    this.live.delete(task)
    if (task.exit !== undefined) {
      if (task.exit._tag === "Success") this.collect(task.index, task.exit.value)
      else this.fail(Exit.failCause(task.exit.cause))
    }
    if (this.live.size === 0 && this.state !== "Pulling" && this.state !== "Done") this.finish()
  }

  private collect(index: number, value: unknown): void {
    switch (this.options.collect) {
      case "ordered":
        this.values[index] = value
        return
      case "unordered":
        this.values.push(value)
        return
      case "discard":
        return
    }
  }

  /** The first failure stops the bulk and interrupts the rest. */
  private fail(failure: Exit.Exit<never, unknown>): void {
    this.failure ??= failure
    if (this.state === "Stopped") return
    this.state = "Stopped"
    if (this.fetching !== undefined) {
      this.live.delete(this.fetching)
      this.fetching = undefined
    }
    for (const task of Array.from(this.live)) this.machine.withdraw(task, undefined)
  }

  private finish(): void {
    const stopped = this.state === "Stopped"
    this.state = "Done"
    this.asyncContext?.emitDestroy()
    const { collect } = this.options
    const result = this.failure ?? Exit.succeed(collect === "discard" ? undefined : this.values)
    // A source that was left early may hold something: it is told, and waited for.
    this.onDone(stopped ? Effect.andThen(this.leaveSource, result) : result)
  }

  private readonly leaveSource = Effect.suspend(() => {
    const { iterator } = this.options.source
    return iterator.return === undefined ? Effect.void : Effect.promise(async () => iterator.return!())
  })

  /** The caller was interrupted. */
  readonly interrupt = Effect.callback<void>((resume) => {
    if (this.state === "Done") return resume(Effect.void)
    this.onDone = (result) => resume(Effect.ignoreCause(result))
    const by = Fiber.getCurrent()!.id
    this.fail(Exit.interrupt(by))
    this.machine.turn()
    if (this.live.size === 0) this.finish()
  })

  private inContext<A>(f: () => A): A {
    if (this.asyncContext === undefined) return f()
    let result: A | undefined
    this.asyncContext.runInAsyncScope(() => void (result = f()), undefined, undefined)
    return result!
  }
}

/** One application, and once it has its item, one task. */
export class BulkTask extends Task {
  readonly bulk: Bulk
  index = -1
  item: unknown = undefined

  constructor(bulk: Bulk) {
    super(bulk.options.f, undefined, bulk.options.weight, bulk.context)
    this.bulk = bulk
    this.asyncContext = bulk.asyncContext
  }
  protected override begin(): unknown {
    return this.bulk.options.f(this.item, this.index)
  }
  override enter(): boolean {
    if (this.index < 0) this.bulk.pull(this)
    return this.index >= 0
  }
  override launched(): void {
    this.bulk.apply()
  }
  override forget(): void {
    this.item = undefined
    // The async context is the bulk's: it serves all its tasks.
    this.asyncContext = undefined
    super.forget()
  }
  override get awaited(): boolean {
    return true
  }
  override tell(): void {
    super.tell()
    this.bulk.told(this)
  }
}
