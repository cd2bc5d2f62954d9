/**
 * Which other pools the tasks of a pool wait for.
 *
 * A task that waits for another pool keeps its worker, because that pool goes on without it. This is not so if the pools
 * wait for each other, directly or through others: every worker of the one may be kept by a task that waits for a worker
 * of the other. In such a cycle all tasks that wait lend their workers, those that have kept them so far included.
 */
import type { Entry } from "./entry.ts"
import type { Wait } from "./lending.ts"

/** A pool, as one in a cycle of pools. */
export interface Lender {
  readonly nested: "lend" | "fail" | "queue"
  /** A running task lends its workers, from the next flush on. */
  lend(entry: Entry): Wait
  flush(): void
}

/** One fiber of a task inside an operation of another pool. */
export class Crossing {
  readonly to: Elsewhere
  readonly entry: Entry
  /** The launch of its task: the entry may serve for another attempt or item before the fiber has ended. */
  readonly launch: Entry["launch"]
  /** Its wait, if its task lends its workers. */
  wait: Wait | undefined = undefined

  constructor(to: Elsewhere, entry: Entry) {
    this.to = to
    this.entry = entry
    this.launch = entry.launch
  }

  /** Whether its task still runs. */
  get isRunning(): boolean {
    return this.entry.state === "Running" && this.entry.launch === this.launch
  }
}

interface Edge {
  count: number
  /** Those whose tasks keep their workers. */
  readonly keeping: Set<Crossing>
}

export class Elsewhere {
  private readonly lender: Lender
  private readonly edges = new Map<Elsewhere, Edge>()

  constructor(lender: Lender) {
    this.lender = lender
  }

  /** A fiber of a task begins to wait for another pool. Returns nothing if it must not, because the wait might not end. */
  begin(to: Elsewhere, entry: Entry): Crossing | undefined {
    const cycle = to.reaches(this) ? this.cycle(to) : []
    if (cycle.some(({ lender }) => lender.nested === "fail")) return undefined
    const crossing = new Crossing(to, entry)
    let edge = this.edges.get(to)
    if (edge === undefined) this.edges.set(to, (edge = { count: 0, keeping: new Set() }))
    edge.count++
    edge.keeping.add(crossing)
    if (cycle.length > 0) lendAll(cycle)
    return crossing
  }

  end(crossing: Crossing): void {
    const edge = this.edges.get(crossing.to)!
    edge.keeping.delete(crossing)
    if (--edge.count === 0) this.edges.delete(crossing.to)
  }

  private reaches(other: Elsewhere, seen = new Set<Elsewhere>([this])): boolean {
    if (this === other) return true
    for (const next of this.edges.keys()) {
      if (seen.has(next)) continue
      seen.add(next)
      if (next.reaches(other, seen)) return true
    }
    return false
  }

  /** This pool and those on the ways back to it. */
  private cycle(to: Elsewhere): ReadonlyArray<Elsewhere> {
    const found = new Set<Elsewhere>([this])
    const visit = (pool: Elsewhere): void => {
      if (found.has(pool) || !pool.reaches(this)) return
      found.add(pool)
      for (const next of pool.edges.keys()) visit(next)
    }
    visit(to)
    for (const next of this.edges.keys()) visit(next)
    return Array.from(found)
  }

  /** Takes those whose tasks keep their workers for a wait within the cycle. */
  takeKeeping(cycle: ReadonlyArray<Elsewhere>): ReadonlyArray<Crossing> {
    if (this.lender.nested === "queue") return []
    return cycle.flatMap((to) => {
      const keeping = this.edges.get(to)?.keeping
      const taken = Array.from(keeping ?? [])
      keeping?.clear()
      return taken
    })
  }

  lend(crossing: Crossing): void {
    if (crossing.isRunning) crossing.wait = this.lender.lend(crossing.entry)
  }

  flush(): void {
    this.lender.flush()
  }
}

/** All lend before any pool starts a task: that is user code, which may end a wait. */
const lendAll = (cycle: ReadonlyArray<Elsewhere>): void => {
  for (const pool of cycle) for (const crossing of pool.takeKeeping(cycle)) pool.lend(crossing)
  for (const pool of cycle) pool.flush()
}
