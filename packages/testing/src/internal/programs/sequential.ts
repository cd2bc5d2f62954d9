/**
 * Sequential programs, each run on a pool and on its naive model.
 */
import { TaskPool, type TaskHandle, type TaskPoolService } from "@aio-task-pool/core"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import { Ledger } from "../ledger.ts"
import { Random } from "../random.ts"
import { StepWorld } from "../stepWorld.ts"
import { ModelPool, type ModelStats } from "./model.ts"
import type { ProgramPool, ProgramRun } from "./run.ts"

/** An event; `pick` chooses among the tasks that it may happen to. */
export type Event =
  | { readonly do: "submit" | "fork" | "submitNowait"; readonly weight: number | undefined }
  | { readonly do: "forEach"; readonly length: number }
  | { readonly do: "finish"; readonly pick: number; readonly how: "succeeds" | "fails" | "dies" | "interrupts" }
  | { readonly do: "cancel" | "interrupt"; readonly pick: number }
  | { readonly do: "reprioritize"; readonly pick: number; readonly weight: number }
  | { readonly do: "resize"; readonly size: number; readonly hard: boolean }
  | { readonly do: "pause" | "resume" | "start" }
  | { readonly do: "close"; readonly interrupts: boolean }

/** A program of one pool. */
export interface SequentialProgram {
  readonly seed: number
  readonly kind: number
  readonly size: number
  readonly capacity: number | undefined
  readonly onFull: "suspend" | "fail"
  readonly startPaused: boolean
  readonly budget: number
  /** The number of steps of a task's finalizer; with 0 each event is complete in its own step. */
  readonly finalizer: number
  /** Whether several events happen in one step. */
  readonly together: boolean
  readonly events: ReadonlyArray<Event>
}

/** Draws the program of a seed. */
export const drawSequential = (seed: number, kinds: number): SequentialProgram => {
  const random = new Random(seed)
  const below = (limit: number): number => random.below(limit)
  const pick = <A>(choices: ReadonlyArray<A>): A => random.pick(choices)
  const event = (): Event => {
    const dice = below(40)
    if (dice < 6) return { do: "submit", weight: pick([undefined, 1, 2, 4, 7]) }
    if (dice < 11) return { do: "fork", weight: pick([undefined, 1, 2, 4, 7]) }
    if (dice < 13) return { do: "submitNowait", weight: pick([undefined, 1, 4]) }
    if (dice < 16) return { do: "forEach", length: below(5) }
    if (dice < 26)
      return {
        do: "finish",
        pick: below(100),
        how: pick(["succeeds", "succeeds", "succeeds", "fails", "dies", "interrupts"])
      }
    if (dice < 28) return { do: "cancel", pick: below(100) }
    if (dice < 30) return { do: "interrupt", pick: below(100) }
    if (dice < 32) return { do: "reprioritize", pick: below(100), weight: below(8) }
    if (dice < 35) return { do: "resize", size: below(4), hard: below(2) === 0 }
    if (dice < 37) return { do: pick(["pause", "resume", "resume"]) }
    if (dice < 38) return { do: "close", interrupts: below(2) === 0 }
    return { do: pick(["start", "resume"]) }
  }
  const together = below(2) === 0
  return {
    seed,
    kind: below(kinds),
    size: below(4),
    capacity: pick([undefined, 0, 1, 2, 3]),
    onFull: below(6) === 0 ? "fail" : "suspend",
    startPaused: below(15) === 0,
    budget: together ? 1_000_000 : pick([3, 4, 5, 7, 12]),
    finalizer: together ? 0 : below(3),
    together,
    events: Array.from({ length: 4 + below(30) }, event)
  }
}

/** Prints a program for readers. */
export const printSequential = (program: SequentialProgram, kinds: ReadonlyArray<string>): string => {
  const { events, kind, seed, ...rest } = program
  const options = Object.entries(rest).map(([key, value]) => `${key}: ${String(value)}`)
  const lines = events.map((event) =>
    Object.entries(event)
      .filter(([, value]) => value !== undefined)
      .map(([key, value]) => (key === "do" ? String(value) : `${key} ${String(value)}`))
      .join(" ")
  )
  return [`program ${seed} on ${kinds[kind]} (${options.join(", ")})`, ...lines.map((line) => `  ${line}`)].join("\n")
}

/** Returns programs with one event less, or with a simpler one. */
export function* smallerSequential(program: SequentialProgram): Generator<SequentialProgram> {
  const { events } = program
  for (let half = events.length >> 1; half > 1; half >>= 1)
    yield { ...program, events: events.slice(0, events.length - half) }
  for (let i = events.length - 1; i >= 0; i--) yield { ...program, events: events.filter((_, other) => other !== i) }
  if (program.finalizer > 0) yield { ...program, finalizer: 0 }
  if (program.together) yield { ...program, together: false }
  if (program.capacity !== undefined) yield { ...program, capacity: undefined }
}

/** Runs a program on a pool and on the model, and compares them. */
export const runSequential = (kinds: ReadonlyArray<ProgramPool>, program: SequentialProgram): ProgramRun => {
  const running = new Running(kinds[program.kind]!, program)
  for (const [index, event] of program.events.entries()) {
    // Closing and reopening take steps.
    const opened = running.open
    running.happen(event)
    const together = program.together && index % 3 !== 2 && opened && running.open
    if (!together) running.compare(`after event ${index + 1} (${event.do})`)
    if (running.broken !== undefined) break
  }
  if (running.broken === undefined) running.compare("after the last event")
  if (running.broken === undefined) running.end()
  return { broken: running.broken, trace: running.steps.scheduler.trace, steps: running.count }
}

interface Real {
  readonly outcome: Deferred.Deferred<unknown, unknown>
  fiber: Fiber.Fiber<unknown, unknown> | undefined
  handle: TaskHandle<unknown, unknown> | undefined
}

class Running {
  readonly steps: StepWorld
  readonly ledger: Ledger
  broken: string | undefined = undefined
  count = 0
  private readonly pool: TaskPoolService
  private readonly model: ModelPool
  private readonly program: SequentialProgram
  private readonly scope = Scope.makeUnsafe()
  /** Tasks and bulks by their names. */
  private readonly reals = new Map<string, Real>()
  private readonly started: Array<string> = []
  private names = 0

  constructor(kind: ProgramPool, program: SequentialProgram) {
    this.program = program
    const { capacity, onFull, size, startPaused } = program
    const bounds = kind.sizesItself ? { min: size, max: 3 } : { min: 0, max: Infinity }
    this.model = new ModelPool({
      ...bounds,
      order: kind.order,
      size,
      capacity: capacity ?? Infinity,
      onFull,
      startPaused
    })
    this.steps = new StepWorld({ budget: 1_000_000 })
    const sizes = kind.sizesItself ? { size, minSize: size, maxSize: 3 } : { size }
    const options = { ...sizes, capacity, onFull, startPaused }
    const shutdown = { interruptTimeout: Infinity }
    const building = this.steps.fork(
      Effect.map(Layer.buildWithScope(kind.layer({ ...options, shutdown }), this.scope), (context) =>
        Context.get(context, TaskPool)
      )
    )
    this.rest()
    const built = building.pollUnsafe()
    if (built?._tag !== "Success") throw new Error(`a pool is not built: ${String(built)}`)
    this.pool = built.value
    this.ledger = new Ledger(this.pool)
    // A task gets its entry when it starts, so the ledger cannot count the door; the model does.
    this.ledger.bulks = 1
    this.steps.scheduler.budget = program.budget
    this.steps.scheduler.beginTrace()
  }

  get open(): boolean {
    return this.model.phase === "Open"
  }

  private rest(): void {
    while (this.steps.scheduler.step()) this.count++
  }

  // ---- events -----------------------------------------------------------------------------------------------------

  happen(event: Event): void {
    const { model, pool, steps } = this
    switch (event.do) {
      case "submit":
      case "fork":
      case "submitNowait":
        return this.submit(event.do, event.weight)
      case "forEach":
        return this.forEach(event.length)
      case "finish": {
        const task = picked(model.running, event.pick)
        if (task === undefined) return
        const { outcome } = this.real(task.id)
        model.finish(task, event.how)
        steps.fork(Deferred.complete(outcome, ends[event.how]))
        return
      }
      case "cancel": {
        const [id, real] =
          picked(
            [...this.reals].filter(([, each]) => each.handle !== undefined),
            event.pick
          ) ?? []
        if (id === undefined) return
        model.cancel(id)
        steps.fork(real!.handle!.cancel)
        return
      }
      case "interrupt": {
        const [id, real] =
          picked(
            [...this.reals].filter(([, each]) => each.fiber !== undefined),
            event.pick
          ) ?? []
        if (id === undefined) return
        model.interrupt(id)
        real!.fiber!.interruptUnsafe()
        return
      }
      case "reprioritize": {
        const [id, real] =
          picked(
            [...this.reals].filter(([, each]) => each.handle !== undefined),
            event.pick
          ) ?? []
        if (id === undefined) return
        model.reprioritize(id, event.weight)
        steps.fork(Effect.exit(real!.handle!.reprioritize(event.weight)))
        return
      }
      case "resize":
        model.resize(event.size, event.hard)
        steps.fork(pool.resize(event.size, { mode: event.hard ? "hard" : "soft" }))
        return
      case "pause":
      case "resume":
        model.setPaused(event.do === "pause")
        steps.fork(pool[event.do])
        return
      case "start":
        model.start()
        steps.fork(pool.start)
        return
      case "close":
        model.close(event.interrupts)
        steps.fork(pool.close({ mode: event.interrupts ? "interrupt" : "drain" }))
        return
      default:
        event satisfies never
    }
  }

  private submit(verb: "submit" | "fork" | "submitNowait", weight: number | undefined): void {
    const id = `${verb} ${++this.names}`
    const task = () => this.task(id)
    const options = weight === undefined ? {} : { weight }
    const real = this.real(id)
    this.model.submit(id, weight ?? 4, verb !== "submitNowait")
    if (verb === "submit") real.fiber = this.steps.fork(this.pool.submit(task, options))
    else {
      const taking = Effect.map(this.pool[verb](task, options), (handle) => void (real.handle = handle))
      const fiber = this.steps.fork(taking)
      // A caller of `fork` receives a handle or a failure.
      if (verb === "fork") real.fiber = fiber
      fiber.addObserver((exit) => {
        if (Exit.isFailure(exit)) real.fiber = fiber
        else real.fiber = undefined
      })
    }
  }

  private forEach(length: number): void {
    const id = `forEach ${++this.names}`
    const items = Array.from({ length }, (_, index) => `${id}.${index}`)
    this.model.forEach(id, length)
    const running = this.pool.forEach(items, (item) => this.task(item), { discard: true })
    this.real(id).fiber = this.steps.fork(running)
  }

  private real(id: string): Real {
    let real = this.reals.get(id)
    if (real === undefined) {
      real = { outcome: Deferred.makeUnsafe(), fiber: undefined, handle: undefined }
      this.reals.set(id, real)
    }
    return real
  }

  // A function is called when the task is dispatched, whatever the budget of its fiber.
  private task(id: string): Effect.Effect<unknown, unknown> {
    this.started.push(id)
    const entry = this.ledger.entry(id, true)
    return this.ledger.task(entry, Deferred.await(this.real(id).outcome), this.program.finalizer)
  }

  // ---- comparing --------------------------------------------------------------------------------------------------

  /** Compares the pool with the model, when no step is left. */
  compare(where: string): void {
    this.rest()
    const { model } = this
    const stats = this.ledger.rest()
    this.expect("the statistics", comparable(model.stats), comparable(stats), where)
    this.expect("the started tasks", model.started, this.started, where)
    for (const [id, real] of this.reals) {
      const result = this.resultOf(real)
      if (id.includes(".")) continue
      this.expect(`the result of ${id}`, model.results.get(id), result, where)
    }
    this.broken ??= this.ledger.broken
  }

  private resultOf({ fiber, handle }: Real): string | undefined {
    if (handle === undefined) {
      const exit = fiber?.pollUnsafe()
      return exit === undefined ? undefined : wordOf(exit)
    }
    const polled = this.steps.fork(handle.poll).pollUnsafe()
    return polled?._tag === "Success" && polled.value._tag === "Some" ? wordOf(polled.value.value) : undefined
  }

  private expect(what: string, model: unknown, real: unknown, where: string): void {
    const [expected, actual] = [JSON.stringify(model), JSON.stringify(real)]
    if (expected === actual) return
    this.broken ??= `${what}, ${where}: the model says ${expected}, the pool ${actual}`
  }

  /** Lets all tasks end and closes the pool. */
  end(): void {
    for (const real of this.reals.values()) this.steps.fork(Deferred.complete(real.outcome, Effect.void))
    const closing = this.steps.fork(Scope.close(this.scope, Exit.fail("failure")))
    const scope = this.steps.fork(Scope.close(this.steps.scope, Exit.void))
    this.rest()
    if (closing.pollUnsafe() === undefined || scope.pollUnsafe() === undefined) this.broken ??= "closing does not end"
    this.broken ??= this.ledger.broken ?? this.steps.left
  }
}

// When a hard resize interrupts two items of a bulk, the pool or the bulk interrupts the second one.
const comparable = (stats: ModelStats) => {
  const { atDoor, cancelled, failed, interrupted, largestSize, phase, rejected, running, size } = stats
  const { submitted, succeeded, targetSize, waiting } = stats
  const ends = { succeeded, failed, "cancelled or interrupted": cancelled + interrupted, rejected }
  return { phase, size, targetSize, largestSize, running, waiting, atDoor, submitted, ...ends }
}

const picked = <A>(all: ReadonlyArray<A>, pick: number): A | undefined => all[pick % Math.max(1, all.length)]

const ends = {
  succeeds: Effect.void,
  fails: Effect.fail("failure"),
  dies: Effect.die("defect"),
  interrupts: Effect.interrupt
} as const

const wordOf = (exit: Exit.Exit<unknown, unknown>): string => {
  if (Exit.isSuccess(exit)) return "succeeds"
  const first = exit.cause.reasons.find((reason) => !Cause.isInterruptReason(reason))
  if (first === undefined) return "interrupts"
  if (Cause.isDieReason(first)) return "dies"
  const error = (first as Cause.Fail<any>).error
  if (error === "failure") return "fails"
  return `${error._tag} ${error.reason}${error.started === true ? ", started" : ""}`
}
