/**
 * The wait-for graph of pools: which other pools the tasks of a pool wait for.
 *
 * A task that waits for another pool keeps its worker, because the other pool continues without it. If the pools wait
 * for each other, directly or through other pools, this would be a deadlock: each worker of one pool may wait for a
 * worker of the other. In such a cycle all waiting tasks lend their workers, also those that kept them before.
 */
import type { Entry } from "./entry.ts"
import type { AttachedWait } from "./extra.ts"
import type { Wait } from "./lending.ts"

/** A pool, as the graph sees it. */
export interface Lender {
  readonly nested: "lend" | "fail" | "queue"
  /** Lends the workers of a running task, from the next flush on. */
  lend(entry: Entry): Wait
  flush(): void
}

/** A fiber of a task that waits in an operation of another pool. */
export class CrossWait implements AttachedWait {
  readonly to: PoolNode
  readonly entry: Entry
  /** The launch of its task: the entry may serve for another attempt or item before the fiber has ended. */
  readonly launch: Entry["launch"]
  /** The wait in its own pool, if its task lends its workers. */
  wait: Wait | undefined = undefined

  constructor(to: PoolNode, entry: Entry) {
    this.to = to
    this.entry = entry
    this.launch = entry.launch
  }

  /** Lets its task take its workers back, in the step of the event that the fiber waits for. */
  end(): void {
    this.wait?.end()
  }

  /** Whether its task still runs. */
  get isRunning(): boolean {
    return this.entry.state === "Running" && this.entry.launch === this.launch
  }
}

/** The waits of one pool's tasks for another pool. */
interface Edge {
  count: number
  /** The waits during which tasks keep their workers. */
  readonly keeping: Set<CrossWait>
}

/** One pool in the graph. */
export class PoolNode {
  private readonly lender: Lender
  private readonly edges = new Map<PoolNode, Edge>()

  constructor(lender: Lender) {
    this.lender = lender
  }

  /** Begins the wait of a task's fiber for another pool. Returns nothing if the wait is forbidden (`nested: "fail"`). */
  begin(to: PoolNode, entry: Entry): CrossWait | undefined {
    const cycle = to.reaches(this) ? this.cycle(to) : []
    if (cycle.some(({ lender }) => lender.nested === "fail")) return undefined
    const crossWait = new CrossWait(to, entry)
    let edge = this.edges.get(to)
    if (edge === undefined) this.edges.set(to, (edge = { count: 0, keeping: new Set() }))
    edge.count++
    edge.keeping.add(crossWait)
    if (cycle.length > 0) lendAll(cycle)
    return crossWait
  }

  end(crossWait: CrossWait): void {
    const edge = this.edges.get(crossWait.to)!
    edge.keeping.delete(crossWait)
    if (--edge.count === 0) this.edges.delete(crossWait.to)
  }

  private reaches(other: PoolNode, seen = new Set<PoolNode>([this])): boolean {
    if (this === other) return true
    for (const next of this.edges.keys()) {
      if (seen.has(next)) continue
      seen.add(next)
      if (next.reaches(other, seen)) return true
    }
    return false
  }

  /** Returns the pools of all cycles through this pool, itself included, if it also waits for `to`. */
  private cycle(to: PoolNode): ReadonlyArray<PoolNode> {
    const found = new Set<PoolNode>([this])
    const visit = (pool: PoolNode): void => {
      if (found.has(pool) || !pool.reaches(this)) return
      found.add(pool)
      for (const next of pool.edges.keys()) visit(next)
    }
    visit(to)
    for (const next of this.edges.keys()) visit(next)
    return Array.from(found)
  }

  /** Removes and returns the waits within the cycle during which tasks keep their workers. */
  takeKeeping(cycle: ReadonlyArray<PoolNode>): ReadonlyArray<CrossWait> {
    if (this.lender.nested === "queue") return []
    return cycle.flatMap((to) => {
      const keeping = this.edges.get(to)?.keeping
      const taken = Array.from(keeping ?? [])
      keeping?.clear()
      return taken
    })
  }

  lend(crossWait: CrossWait): void {
    if (crossWait.isRunning) crossWait.wait = this.lender.lend(crossWait.entry)
  }

  flush(): void {
    this.lender.flush()
  }
}

/** Lends the workers of all waits before any pool starts a task, because a task is user code and may end a wait. */
const lendAll = (cycle: ReadonlyArray<PoolNode>): void => {
  for (const pool of cycle) for (const crossWait of pool.takeKeeping(cycle)) pool.lend(crossWait)
  for (const pool of cycle) pool.flush()
}
