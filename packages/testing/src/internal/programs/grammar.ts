/**
 * Whole programs over task pools, as data: drawn from a seed, printed, and made smaller.
 */
import { Random } from "../random.ts"

/** One pool of a program. */
export interface PoolPlan {
  /** The index of its kind. */
  readonly kind: number
  /** The size of a fixed pool, or the minimum of an auto-scale pool, whose maximum is 3. */
  readonly size: number
  readonly capacity: number | undefined
  readonly onFull: "suspend" | "fail" | "dropOldest"
  readonly nested: "lend" | "fail"
  readonly perKey: number | undefined
  /** The most starts in a window of some milliseconds. */
  readonly rate: { readonly limit: number; readonly window: number } | undefined
  readonly startPaused: boolean
  /** Milliseconds. */
  readonly drainTimeout: number | undefined
  /** Milliseconds. With a timeout, closing abandons tasks that do not end. */
  readonly interruptTimeout: number | undefined
  /** The policy of an auto-scale pool. */
  readonly policy: "default" | "jumps" | "throws" | "pauses"
  readonly classify: "default" | "overloads" | "retryAfter" | "throws" | "nonsense"
}

/** The options of a task. Times are in milliseconds. */
export interface TaskPlan {
  readonly weight?: number | undefined
  readonly key?: string | undefined
  readonly permits?: number | undefined
  readonly maxWait?: number | undefined
  /** The number of retries, and the delay before each. */
  readonly retries?: number | undefined
  readonly delay?: number | undefined
}

/** The body of a task. */
export interface Body {
  readonly steps: ReadonlyArray<BodyStep>
  readonly end: "succeeds" | "fails" | "dies" | "interrupts" | "throws"
  /** The number of steps of its finalizer. */
  readonly finalizer: number
  readonly uninterruptible: boolean
}

export type BodyStep =
  | { readonly do: "yield"; readonly times: number }
  | { readonly do: "sleep"; readonly millis: number }
  | { readonly do: "gate"; readonly gate: number }
  | { readonly do: "child"; readonly times: number }
  /** Waits for a task of its own pool or of the other one. */
  | {
      readonly do: "nest"
      readonly pool: number
      readonly bulk: boolean
      readonly body: Body
      readonly options: TaskPlan
    }
  | {
      readonly do: "hand over"
      readonly verb: "fork" | "submitNowait"
      readonly pool: number
      readonly body: Body
      readonly options: TaskPlan
    }
  | { readonly do: "operate"; readonly pool: number; readonly operation: Operation }

/** An operation on a pool that submits no task. */
export type Operation =
  | { readonly op: "scale"; readonly delta: number; readonly mode: "soft" | "hard" }
  | { readonly op: "resize"; readonly size: number; readonly mode: "soft" | "hard" }
  | { readonly op: "pause" | "resume" | "togglePause" | "start" | "stats" | "events" }
  | { readonly op: "awaitIdle" | "awaitEmpty" | "awaitResized" }
  | { readonly op: "holdFor" | "withDispatchHeld" | "withPaused" | "withQuiesced"; readonly millis: number }
  | { readonly op: "clear" | "statsOf"; readonly key: string | undefined }
  | {
      readonly op: "close"
      readonly mode: "drain" | "interrupt"
      readonly drainTimeout: number | undefined
      readonly collect: boolean
    }

/** What surrounds a call that waits. */
export type Guard =
  | { readonly guard: "none" | "uninterruptible" | "background" }
  | { readonly guard: "timeout" | "race"; readonly millis: number }

export interface SourcePlan {
  readonly kind: "array" | "generator" | "asks the pool" | "throws" | "async" | "async, throws" | "silent" | "nonsense"
  readonly length: number
}

export type Statement =
  | {
      readonly do: "submit" | "fork" | "submitNowait"
      readonly pool: number
      readonly body: Body
      readonly options: TaskPlan
      readonly guard: Guard
    }
  | {
      readonly do: "forEach"
      readonly pool: number
      readonly source: SourcePlan
      readonly body: Body
      readonly collect: "ordered" | "unordered" | "discard"
      readonly options: TaskPlan
      readonly guard: Guard
    }
  | {
      readonly do: "mapEffect"
      readonly pool: number
      readonly length: number
      readonly body: Body
      readonly bufferSize: number
      readonly take: number | undefined
      readonly unordered: boolean
      /** Whether the upstream waits forever after its elements, instead of ending. */
      readonly silent: boolean
      readonly options: TaskPlan
      readonly guard: Guard
    }
  | { readonly do: "handle"; readonly pick: number; readonly op: HandleOperation; readonly guard: Guard }
  | { readonly do: "operate"; readonly pool: number; readonly operation: Operation; readonly guard: Guard }
  | { readonly do: "yield"; readonly times: number }
  | { readonly do: "sleep"; readonly millis: number }
  | { readonly do: "open"; readonly gate: number }
  | { readonly do: "interrupt"; readonly fiber: number }
  | { readonly do: "end scope"; readonly pool: number; readonly how: "well" | "badly" | "interrupted" }
  /** A scope whose finalizer yields and submits. */
  | {
      readonly do: "scoped"
      readonly statements: ReadonlyArray<Statement>
      readonly how: "well" | "badly" | "interrupted"
      readonly pool: number
    }

export type HandleOperation = "join" | "await" | "cancel" | "poll" | "state" | "reprioritize"

/** A program. Each of its runs is the same. */
export interface Program {
  readonly seed: number
  /** The number of operations that a fiber may run in one step. */
  readonly budget: number
  /** The seed of the order of steps; `undefined` for oldest first. */
  readonly order: number | undefined
  readonly pools: ReadonlyArray<PoolPlan>
  /** The statements of each fiber. */
  readonly fibers: ReadonlyArray<ReadonlyArray<Statement>>
}

/** The number of gates of a program. */
export const gates = 2

// ---- drawing ------------------------------------------------------------------------------------------------------

/** The pools that a program may use. */
export interface Grammar {
  /** For each kind of pool, whether it scales automatically. */
  readonly kinds: ReadonlyArray<boolean>
}

/** Draws the program of a seed. */
export const drawProgram = (seed: number, grammar: Grammar): Program => new Draw(seed, grammar).program()

class Draw extends Random {
  private readonly seed: number
  private readonly grammar: Grammar
  private pools = 1

  constructor(seed: number, grammar: Grammar) {
    super(seed)
    this.seed = seed
    this.grammar = grammar
  }

  program(): Program {
    this.pools = this.chance(3) ? 2 : 1
    const budget = this.pick([3, 3, 4, 5, 6, 7, 9, 12, 2048])
    const order = this.chance(2) ? this.below(0x7fffffff) : undefined
    const pools = this.many(this.pools, () => this.pool())
    const fibers = this.many(1 + this.below(5), () => this.many(1 + this.below(8), () => this.statement(0)))
    return { seed: this.seed, budget, order, pools, fibers }
  }

  private pool(): PoolPlan {
    const kind = this.below(this.grammar.kinds.length)
    const abandons = this.chance(12)
    return {
      kind,
      size: this.pick([1, 1, 2, 2, 3, 0]),
      capacity: this.pick([undefined, undefined, 0, 1, 1, 2]),
      onFull: this.pick(["suspend", "suspend", "suspend", "suspend", "fail", "dropOldest"]),
      nested: this.chance(6) ? "fail" : "lend",
      perKey: this.chance(4) ? 1 + this.below(2) : undefined,
      rate: this.chance(5) ? { limit: 1 + this.below(4), window: 1 + this.below(4) } : undefined,
      startPaused: this.chance(15),
      drainTimeout: this.chance(5) ? this.below(6) : undefined,
      interruptTimeout: abandons ? 1 + this.below(4) : undefined,
      policy: this.pick(["default", "default", "jumps", "jumps", "throws", "pauses"]),
      classify: this.pick(["default", "default", "default", "overloads", "retryAfter", "throws", "nonsense"])
    }
  }

  private options(): TaskPlan {
    const retries = this.chance(6) ? 1 + this.below(2) : undefined
    return {
      weight: this.chance(3) ? this.below(6) : undefined,
      key: this.chance(4) ? this.key() : undefined,
      permits: this.chance(6) ? 2 : undefined,
      maxWait: this.chance(8) ? 1 + this.below(5) : undefined,
      retries,
      delay: retries !== undefined && this.chance(2) ? 1 + this.below(3) : undefined
    }
  }

  private key(): string {
    return this.pick(["one", "other"])
  }

  private body(depth: number): Body {
    const uninterruptible = this.chance(8)
    return {
      steps: this.many(this.pick([0, 0, 1, 1, 1, 2, 3]), () => this.step(depth, uninterruptible)),
      end: this.pick(["succeeds", "succeeds", "succeeds", "succeeds", "fails", "dies", "interrupts", "throws"]),
      finalizer: this.pick([0, 0, 0, 1, 2, 4]),
      uninterruptible
    }
  }

  private step(depth: number, uninterruptible: boolean): BodyStep {
    const dice = this.below(uninterruptible ? 6 : 12)
    if (dice < 3) return { do: "yield", times: 1 + this.below(3) }
    if (dice < 5) return { do: "sleep", millis: 1 + this.below(4) }
    if (dice < 6) return { do: "gate", gate: this.below(gates) }
    if (dice < 7) return { do: "child", times: 1 + this.below(3) }
    const other = this.below(this.pools)
    if (dice < 9 && depth < 2) {
      const body = this.body(depth + 1)
      return { do: "nest", pool: other, bulk: this.chance(3), body, options: this.options() }
    }
    if (dice < 11 && depth < 2) {
      const verb = this.pick(["fork", "submitNowait"] as const)
      return { do: "hand over", verb, pool: other, body: this.body(depth + 1), options: this.options() }
    }
    return { do: "operate", pool: this.below(this.pools), operation: this.operation() }
  }

  private operation(): Operation {
    const mode = this.chance(2) ? "hard" : "soft"
    const dice = this.below(24)
    if (dice >= 22)
      return { op: this.pick(["clear", "statsOf"] as const), key: this.chance(2) ? this.key() : undefined }
    if (dice >= 20) {
      const op = this.pick(["holdFor", "withDispatchHeld", "withPaused", "withQuiesced"] as const)
      return { op, millis: 1 + this.below(3) }
    }
    if (dice < 4) return { op: "scale", delta: this.pick([-1, -1, 1, 2]), mode }
    if (dice < 7) return { op: "resize", size: this.below(4), mode }
    if (dice < 13) return { op: this.pick(["pause", "resume", "resume", "togglePause", "stats", "events"] as const) }
    if (dice < 15) return { op: this.pick(["awaitIdle", "awaitEmpty", "awaitResized"] as const) }
    if (dice < 17) return { op: "start" }
    return {
      op: "close",
      mode: this.chance(2) ? "drain" : "interrupt",
      drainTimeout: this.chance(3) ? this.below(6) : undefined,
      collect: this.chance(3)
    }
  }

  private guard(): Guard {
    const dice = this.below(12)
    if (dice < 4) return { guard: "none" }
    if (dice < 8) return { guard: "background" }
    if (dice < 9) return { guard: "uninterruptible" }
    return { guard: dice < 11 ? "timeout" : "race", millis: this.below(6) }
  }

  private statement(depth: number): Statement {
    const pool = this.below(this.pools)
    const dice = this.below(32)
    if (dice < 9) {
      return {
        do: this.pick(["submit", "submit", "fork", "fork", "submitNowait"] as const),
        pool,
        body: this.body(0),
        options: this.options(),
        guard: this.guard()
      }
    }
    if (dice < 14) {
      return {
        do: "forEach",
        pool,
        source: {
          kind: this.pick([
            "array",
            "array",
            "generator",
            "generator",
            "asks the pool",
            "throws",
            "async",
            "async",
            "async, throws",
            "silent",
            "nonsense"
          ] as const),
          length: this.below(5)
        },
        body: this.body(0),
        collect: this.pick(["ordered", "unordered", "discard"] as const),
        options: this.options(),
        guard: this.guard()
      }
    }
    if (dice < 18) {
      return {
        do: "mapEffect",
        pool,
        length: this.below(5),
        body: this.body(0),
        bufferSize: 1 + this.below(3),
        take: this.chance(3) ? this.below(3) : undefined,
        unordered: this.chance(2),
        silent: this.chance(8),
        options: this.options(),
        guard: this.guard()
      }
    }
    if (dice < 21) {
      const op = this.pick(["join", "await", "cancel", "cancel", "poll", "state", "reprioritize"] as const)
      return { do: "handle", pick: this.below(100), op, guard: this.guard() }
    }
    if (dice < 25) return { do: "operate", pool, operation: this.operation(), guard: this.guard() }
    if (dice < 27) return { do: "yield", times: 1 + this.below(4) }
    if (dice < 28) return { do: "sleep", millis: 1 + this.below(5) }
    if (dice < 29) return { do: "open", gate: this.below(gates) }
    if (dice < 30) return { do: "interrupt", fiber: this.below(4) }
    if (dice < 31 && depth === 0) {
      return {
        do: "scoped",
        statements: this.many(1 + this.below(3), () => this.statement(1)),
        how: this.pick(["well", "badly", "interrupted"] as const),
        pool
      }
    }
    return { do: "end scope", pool, how: this.pick(["well", "badly", "interrupted"] as const) }
  }

  private chance(outOf: number): boolean {
    return this.below(outOf) === 0
  }

  private many<A>(count: number, draw: () => A): Array<A> {
    return Array.from({ length: count }, draw)
  }
}

// ---- printing -----------------------------------------------------------------------------------------------------

/** Prints a program for readers. */
export const printProgram = (program: Program, kinds: ReadonlyArray<string>): string => {
  const pools = program.pools.map((plan, index) => {
    const { kind, ...options } = plan
    return `  pool ${index}: ${kinds[kind]} ${printOptions(options)}`
  })
  const fibers = program.fibers.map((statements, index) =>
    [`  fiber ${index}:`, ...statements.flatMap((statement) => printStatement(statement, "    "))].join("\n")
  )
  const order = program.order === undefined ? "oldest step first" : `order of steps ${program.order}`
  return [`program ${program.seed}, budget ${program.budget}, ${order}`, ...pools, ...fibers].join("\n")
}

const printOptions = (options: object): string =>
  Object.entries(options)
    .filter(([, value]) => value !== undefined && value !== "default" && value !== false)
    .map(([key, value]) => `${key}: ${typeof value === "object" ? JSON.stringify(value) : String(value)}`)
    .join(", ")

const printStatement = (statement: Statement, indent: string): Array<string> => {
  if (statement.do === "scoped") {
    const { how, pool, statements } = statement
    const inner = statements.flatMap((each) => printStatement(each, `${indent}  `))
    return [`${indent}scoped, ends ${how}, its finalizer submits to pool ${pool}:`, ...inner]
  }
  return [`${indent}${printFields(statement)}`]
}

const printFields = (fields: object): string =>
  Object.entries(fields)
    .filter(([, value]) => value !== undefined && value !== false)
    .map(([key, value]) => printField(key, value))
    .filter((text) => text !== "")
    .join(" ")

const printField = (key: string, value: any): string => {
  if (key === "do") return value
  if (key === "body") return printBody(value)
  if (key === "guard") return typeof value === "object" ? printGuard(value) : ""
  if (key === "options")
    return Object.values(value).every((each) => each === undefined) ? "" : `with ${printFields(value)}`
  if (key === "operation" || key === "source") return `(${printFields(value)})`
  return `${key} ${String(value)}`
}

const printGuard = (guard: Guard): string =>
  guard.guard === "none" ? "" : "millis" in guard ? `[${guard.guard} ${guard.millis} ms]` : `[${guard.guard}]`

const printBody = ({ end, finalizer, steps, uninterruptible }: Body): string => {
  const all = steps.map((step) => printFields(step))
  if (finalizer > 0) all.push(`finalizer of ${finalizer}`)
  return `{ ${uninterruptible ? "uninterruptible; " : ""}${[...all, end].join("; ")} }`
}

// ---- making smaller -----------------------------------------------------------------------------------------------

const without = <A>(all: ReadonlyArray<A>, index: number): ReadonlyArray<A> => all.filter((_, other) => other !== index)
const withOne = <A>(all: ReadonlyArray<A>, index: number, one: A): ReadonlyArray<A> =>
  all.map((each, other) => (other === index ? one : each))

/** Returns slightly smaller programs, the smallest first. */
export function* smaller(program: Program): Generator<Program> {
  const { fibers, pools } = program
  for (let i = 0; i < fibers.length; i++) yield { ...program, fibers: without(fibers, i) }
  for (let i = 0; i < fibers.length; i++) {
    for (const statements of smallerLists(fibers[i]!)) yield { ...program, fibers: withOne(fibers, i, statements) }
  }
  if (program.order !== undefined) yield { ...program, order: undefined }
  if (program.budget !== 2048) yield { ...program, budget: 2048 }
  for (let i = 0; i < pools.length; i++) {
    const plan = pools[i]!
    for (const key of ["capacity", "drainTimeout", "interruptTimeout", "perKey", "rate"] as const) {
      if (plan[key] !== undefined) yield { ...program, pools: withOne(pools, i, { ...plan, [key]: undefined }) }
    }
    for (const key of ["policy", "classify"] as const) {
      if (plan[key] !== "default") yield { ...program, pools: withOne(pools, i, { ...plan, [key]: "default" }) }
    }
    if (plan.onFull !== "suspend") yield { ...program, pools: withOne(pools, i, { ...plan, onFull: "suspend" }) }
    if (plan.nested !== "lend") yield { ...program, pools: withOne(pools, i, { ...plan, nested: "lend" }) }
    if (plan.size > 1) yield { ...program, pools: withOne(pools, i, { ...plan, size: plan.size - 1 }) }
  }
}

function* smallerLists(statements: ReadonlyArray<Statement>): Generator<ReadonlyArray<Statement>> {
  for (let i = 0; i < statements.length; i++) yield without(statements, i)
  for (let i = 0; i < statements.length; i++) {
    for (const one of smallerStatements(statements[i]!)) yield withOne(statements, i, one)
  }
}

function* smallerStatements(statement: Statement): Generator<Statement> {
  if (statement.do === "scoped") {
    for (const statements of smallerLists(statement.statements)) yield { ...statement, statements }
    yield* statement.statements
  }
  if ("guard" in statement && statement.guard.guard !== "none") yield { ...statement, guard: { guard: "none" } }
  if ("silent" in statement && statement.silent) yield { ...statement, silent: false }
  if ("length" in statement && statement.length > 0) yield { ...statement, length: statement.length - 1 }
  if ("source" in statement) {
    const { source } = statement
    if (source.length > 0) yield { ...statement, source: { ...source, length: source.length - 1 } }
    if (source.kind !== "array") yield { ...statement, source: { ...source, kind: "array" } }
  }
  if ("options" in statement) {
    for (const options of smallerOptions(statement.options)) yield { ...statement, options }
  }
  if ("body" in statement) for (const body of smallerBodies(statement.body)) yield { ...statement, body }
}

function* smallerOptions(options: TaskPlan): Generator<TaskPlan> {
  for (const name of Object.keys(options) as Array<keyof TaskPlan>) {
    if (options[name] !== undefined) yield { ...options, [name]: undefined }
  }
}

function* smallerBodies(body: Body): Generator<Body> {
  for (let i = 0; i < body.steps.length; i++) yield { ...body, steps: without(body.steps, i) }
  for (let i = 0; i < body.steps.length; i++) {
    const step = body.steps[i]!
    if ("body" in step)
      for (const inner of smallerBodies(step.body))
        yield { ...body, steps: withOne(body.steps, i, { ...step, body: inner }) }
    if ("options" in step)
      for (const options of smallerOptions(step.options))
        yield { ...body, steps: withOne(body.steps, i, { ...step, options }) }
  }
  if (body.end !== "succeeds") yield { ...body, end: "succeeds" }
  if (body.finalizer > 0) yield { ...body, finalizer: 0 }
  if (body.uninterruptible) yield { ...body, uninterruptible: false }
}
