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
class Edge {
  readonly waits = new Set<CrossWait>()
  /** Those during which tasks keep their workers. */
  readonly keeping = new Set<CrossWait>()

  /** Whether a task that still runs waits. A fiber that has outlived its task needs no worker. */
  get isLive(): boolean {
    for (const crossWait of this.waits) {
      if (crossWait.isRunning) return true
      this.remove(crossWait)
    }
    return false
  }

  remove(crossWait: CrossWait): void {
    this.waits.delete(crossWait)
    this.keeping.delete(crossWait)
  }
}

/** Which pools of a cycle may forbid a wait. */
export type Failing = "any" | "own" | "none"

/** One pool in the graph. */
export class PoolNode {
  private readonly lender: Lender
  private readonly edges = new Map<PoolNode, Edge>()
  /** The pools that have an edge to this one. */
  private readonly sources = new Set<PoolNode>()

  constructor(lender: Lender) {
    this.lender = lender
  }

  /**
   * Begins the wait of a task's fiber for another pool. Returns nothing if it would close a cycle in which one of these
   * pools has `nested: "fail"`: any pool, the task's own pool, or none.
   */
  begin(to: PoolNode, entry: Entry, failing: Failing): CrossWait | undefined {
    const cycle = this.cycle(to)
    if (failing === "any" && Array.from(cycle).some(({ fails }) => fails)) return undefined
    if (failing === "own" && cycle.size > 0 && this.fails) return undefined
    const crossWait = new CrossWait(to, entry)
    let edge = this.edges.get(to)
    if (edge === undefined) {
      this.edges.set(to, (edge = new Edge()))
      to.sources.add(this)
    }
    edge.waits.add(crossWait)
    edge.keeping.add(crossWait)
    if (cycle.size > 0) lendAll(cycle)
    return crossWait
  }

  end(crossWait: CrossWait): void {
    const { to } = crossWait
    const edge = this.edges.get(to)
    // The edge may have lost the wait before, when its task had ended.
    edge?.remove(crossWait)
    if (edge?.waits.size === 0 && this.edges.delete(to)) to.sources.delete(this)
  }

  private get fails(): boolean {
    return this.lender.nested === "fail"
  }

  /** Returns the pools of all cycles through this pool, itself included, if it also waits for `to`. O(edges). */
  private cycle(to: PoolNode): ReadonlySet<PoolNode> {
    // A set gives what is added while it is iterated.
    const after = new Set([to])
    for (const pool of after) for (const [next, edge] of pool.edges) if (edge.isLive) after.add(next)
    const cycle = new Set<PoolNode>()
    if (!after.has(this)) return cycle
    cycle.add(this)
    for (const pool of cycle) {
      for (const source of pool.sources) if (after.has(source) && source.edges.get(pool)!.isLive) cycle.add(source)
    }
    return cycle.add(to)
  }

  /** Lends the workers of the waits within a cycle during which tasks keep them. Returns whether there were any. */
  lendKept(cycle: ReadonlySet<PoolNode>): boolean {
    let lent = false
    if (this.lender.nested !== "lend") return lent
    for (const [to, edge] of this.edges) {
      if (!cycle.has(to)) continue
      for (const crossWait of edge.keeping) {
        if (crossWait.isRunning) crossWait.wait = this.lender.lend(crossWait.entry)
        lent = true
      }
      edge.keeping.clear()
    }
    return lent
  }

  flush(): void {
    this.lender.flush()
  }
}

/** Lends the workers of all waits before any pool starts a task, because a task is user code and may end a wait. */
const lendAll = (cycle: ReadonlySet<PoolNode>): void => {
  const lending = Array.from(cycle).filter((pool) => pool.lendKept(cycle))
  for (const pool of lending) pool.flush()
}
