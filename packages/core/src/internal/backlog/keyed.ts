/**
 * Keys take turns. Within a key the pool's discipline decides.
 *
 * The turns are a deficit round robin (M. Shreedhar and G. Varghese, "Efficient fair queuing using deficit round
 * robin", 1995) that charges afterwards: a key whose task takes p permits loses its next p - 1 turns. So the next task
 * of any key waits for at most one turn of each other key, whatever its permits. Each turn costs O(1).
 */
import { AgeingBacklog } from "./ageing.ts"
import { type Backlog, permitsOf, type Weighted } from "./backlog.ts"
import { append, Lane, OldestFirst, Ranking, unlink } from "./lanes.ts"

/** The most lanes without tasks that are kept. */
const mostIdle = 1024
/** The most lanes that are used again. They take half a megabyte, and making a lane takes a thirtieth of the task. */
const mostReused = 4096

/** The turns of a lane that `walk` has still to take. */
interface Turns<T> {
  readonly walk: () => T | undefined
  next: T | undefined
  debt: number
}

/**
 * A backlog for each key, and one for the tasks without a key, which is like a key without a limit.
 *
 * A lane is in the *ring*, where lanes take turns, while it has a debt or its next entry may start. It is *blocked*
 * while entries wait but the next one would exceed the limit. A lane without entries, turns and permits in use is *idle*.
 * Some idle lanes are kept until all are idle, and are then dropped together. Dropping and making each of them would take
 * longer than the turn of a task.
 *
 * After each change, lanes with a debt at the head of the ring lose a turn until the head has none. So the head is
 * always the lane whose task is next. If no lane has a task that may start, all debts end at once, because no task
 * waits for those turns.
 */
export class KeyedBacklog<T extends Weighted<T>> implements Backlog<T> {
  size: number
  /** The number of lanes whose next entry may start. */
  ready = 0
  private readonly make: () => Backlog<T>
  private readonly perKey: number
  /** Stores the arrival of new entries, if the discipline supports ageing. */
  private readonly ageing: AgeingBacklog<T> | undefined
  private pushed: number
  private readonly lanes = new Map<string | number, Lane<T>>()
  /** The first lanes that were made, at most `mostReused`. When all lanes are dropped, new keys use these again. */
  private readonly reused: Array<Lane<T>> = []
  /** The index of the next one of these that is free. */
  private nextFree = 0
  /** The number of idle lanes. */
  private idle = 0
  private readonly unkeyed: Lane<T>
  private readonly ring = new Lane<T>()
  private readonly blocked = new Lane<T>()
  /** Made at the first call of `victim`. */
  private ranking: Ranking<T> | undefined = undefined
  /** Made at the first call of `oldest`. */
  private oldestFirst: OldestFirst<T> | undefined = undefined

  /**
   * `perKey` is the most permits of a key in use, `Infinity` for no limit. `unkeyed` becomes the backlog of the tasks
   * without a key.
   */
  constructor(make: () => Backlog<T>, perKey: number, unkeyed = make()) {
    this.make = make
    this.perKey = perKey
    this.ageing = unkeyed instanceof AgeingBacklog ? unkeyed : undefined
    this.pushed = unkeyed.nextSequence()
    this.size = unkeyed.size
    this.unkeyed = new Lane(unkeyed)
    this.update(this.unkeyed)
  }

  push(entry: T): void {
    this.insert(entry, this.pushed++)
  }

  nextSequence(): number {
    return this.pushed++
  }

  insert(entry: T, sequence: number): void {
    const lane = this.laneFor(entry)
    if (entry.extra !== undefined) this.ageing?.stamp(entry)
    lane.insert(entry, sequence, this.make)
    this.size++
    this.oldestFirst?.note(lane, entry)
    // The usual case: without a limit a lane with entries takes turns already.
    if (lane.eligible && this.hasPlainLanes) return
    this.onSizeChange(lane, lane.size - 1)
  }

  peek(): T | undefined {
    return this.ready === 0 ? undefined : this.ring.next.peek()
  }

  pop(): T | undefined {
    if (this.ready === 0) return undefined
    const { ring } = this
    const lane = ring.next
    const entry = lane.pop()!
    this.size--
    lane.debt = permitsOf(entry) - 1
    // A lane without entries and debt leaves the ring below.
    if (lane !== ring.prev && (lane.size > 0 || lane.debt > 0)) append(ring, lane)
    if (this.hasPlainLanes && lane.size > 0) this.payDebts()
    else this.onSizeChange(lane, lane.size + 1)
    return entry
  }

  any(): T | undefined {
    return (this.ready > 0 ? this.ring : this.blocked).next.any()
  }

  remove(entry: T): void {
    const lane = this.laneOf(entry)!
    lane.remove(entry)
    this.size--
    this.onSizeChange(lane, lane.size + 1)
  }

  reweigh(entry: T, weight: number, sequence = this.nextSequence()): void {
    const lane = this.laneOf(entry)!
    lane.reweigh(entry, weight, sequence, this.make)
    this.update(lane)
  }

  /** The first call is O(keys), the later ones O(log keys), amortized. */
  oldest(): T | undefined {
    this.oldestFirst ??= new OldestFirst(this.waitingLanes())
    return this.oldestFirst.first()
  }

  /** Releases the memory of lanes that were dropped, which leave their nodes. */
  private trimOldestFirst(): void {
    const { oldestFirst } = this
    if (oldestFirst === undefined || !oldestFirst.isLargeFor(this.lanes.size)) return
    oldestFirst.end()
    this.oldestFirst = new OldestFirst(this.waitingLanes())
  }

  sequenceOf(entry: T): number {
    return this.laneOf(entry)!.sequenceOf(entry)
  }

  /** Returns the order as if no key had a limit from now on. Visits a lane only when its first turn comes. */
  walk(): () => T | undefined {
    const unvisited = this.lanesInTurn()
    const round: Array<Turns<T>> = []
    let at = 0
    const nextLane = (): Turns<T> | undefined => {
      // The first round meets each lane. The later ones meet those that still have entries.
      if (at < round.length) return round[at]
      const lane = unvisited()
      if (lane !== undefined) {
        const walk = lane.walk()
        round.push({ walk, next: walk(), debt: lane.debt })
        return round[at]
      }
      let left = 0
      for (const turns of round) if (turns.next !== undefined) round[left++] = turns
      round.length = left
      skipRounds(round)
      at = 0
      return round[0]
    }
    return () => {
      for (let turns = nextLane(); turns !== undefined; turns = nextLane()) {
        at++
        const entry = turns.next
        if (turns.debt > 0) turns.debt--
        else if (entry !== undefined) {
          turns.debt = permitsOf(entry) - 1
          turns.next = turns.walk()
          return entry
        }
      }
      return undefined
    }
  }

  victim(newcomer?: T): T | undefined {
    const ranking = (this.ranking ??= this.rank())
    const own = newcomer === undefined ? undefined : this.laneOf(newcomer)
    // Among keys with the same number the newcomer's own key loses a task: a key must not gain by dropping others'
    // tasks.
    if (own !== undefined && own.size === ranking.most) return own.victim(newcomer, this.make)
    return ranking.first?.victim(undefined, this.make)
  }

  victimExcept(isKept: (entry: T) => boolean, newcomer?: T): T | undefined {
    const ranking = (this.ranking ??= this.rank())
    const own = newcomer === undefined ? undefined : this.laneOf(newcomer)
    if (own !== undefined && own.size === ranking.most) return own.victimExcept(isKept, newcomer, this.make)
    for (const lane of ranking.byMost()) {
      const victim = lane.victimExcept(isKept, undefined, this.make)
      if (victim !== undefined) return victim
    }
    return undefined
  }

  // ---- running tasks ---------------------------------------------------------------------------------------------

  /** Returns whether the limit of its key lets a task start that is not in this backlog. */
  mayStart(entry: T): boolean {
    if (this.perKey === Infinity || entry.extra?.key === undefined) return true
    return (this.laneOf(entry)?.permits ?? 0) + permitsOf(entry) <= this.perKey
  }

  /** Counts the permits of a task that starts or takes them back, whether or not it was in this backlog. */
  started(entry: T): void {
    if (this.perKey !== Infinity && entry.extra?.key !== undefined)
      this.addPermits(this.laneFor(entry), permitsOf(entry))
  }

  /** Stops counting the permits of a task, which has ended or lends them. */
  stopped(entry: T): void {
    if (this.perKey === Infinity || entry.extra?.key === undefined) return
    const lane = this.laneOf(entry)
    if (lane !== undefined) this.addPermits(lane, -permitsOf(entry))
  }

  /** Returns the number of entries with a key. */
  waiting(key: string | number): number {
    return this.lanes.get(key)?.size ?? 0
  }

  // ---- lanes -----------------------------------------------------------------------------------------------------

  private laneOf(entry: T): Lane<T> | undefined {
    const { extra } = entry
    if (extra?.key === undefined) return this.unkeyed
    const lane = extra.lane as Lane<T> | undefined
    // As a rule no lookup is needed: a lane stays as long as it has entries or permits in use.
    return lane !== undefined && lane.key === extra.key ? lane : this.lanes.get(extra.key)
  }

  /** Returns the lane of an entry. Makes it if there is none. */
  private laneFor(entry: T): Lane<T> {
    const key = entry.extra?.key
    if (key === undefined) return this.unkeyed
    let lane = this.lanes.get(key)
    if (lane === undefined) this.lanes.set(key, (lane = this.makeLane()))
    else if (lane.key === undefined) this.idle--
    lane.key = key
    entry.extra!.lane = lane
    return lane
  }

  private makeLane(): Lane<T> {
    if (this.nextFree < this.reused.length) return this.reused[this.nextFree++]!
    const lane = new Lane<T>()
    if (this.nextFree < mostReused) this.nextFree = this.reused.push(lane)
    return lane
  }

  /** Drops all lanes, which are idle. */
  private dropAll(): void {
    this.idle = this.nextFree = 0
    this.lanes.clear()
    this.trimOldestFirst()
  }

  /** Whether lanes are not limited and not ranked, so that a lane with a task always takes turns. */
  private get hasPlainLanes(): boolean {
    return this.perKey === Infinity && this.ranking === undefined
  }

  private waitingLanes(): Array<Lane<T>> {
    const lanes: Array<Lane<T>> = []
    const next = this.lanesInTurn()
    for (let lane = next(); lane !== undefined; lane = next()) lanes.push(lane)
    return lanes
  }

  /** Returns a function that returns one lane with entries after the other: those in the ring, then the blocked ones. */
  private lanesInTurn(): () => Lane<T> | undefined {
    let list = this.ring
    let lane = list.next
    return () => {
      for (;;) {
        if (lane === list) {
          if (list === this.blocked) return undefined
          list = this.blocked
          lane = list.next
        } else {
          const { size } = lane
          const found = lane
          lane = lane.next
          if (size > 0) return found
        }
      }
    }
  }

  private rank(): Ranking<T> {
    const ranking = new Ranking<T>()
    for (const lane of this.waitingLanes()) ranking.update(lane, 0)
    return ranking
  }

  /** Changes the permits that a key with a limit uses. */
  private addPermits(lane: Lane<T>, permits: number): void {
    lane.permits += permits
    this.update(lane)
  }

  /** Handles an entry that was added to a lane or removed from it. */
  private onSizeChange(lane: Lane<T>, sizeBefore: number): void {
    this.ranking?.update(lane, sizeBefore)
    this.update(lane)
  }

  private update(lane: Lane<T>): void {
    const eligible = this.isEligible(lane)
    if (eligible !== lane.eligible) {
      lane.eligible = eligible
      this.ready += eligible ? 1 : -1
    }
    this.moveToList(lane)
    this.payDebts()
  }

  private isEligible(lane: Lane<T>): boolean {
    if (lane.size === 0) return false
    if (this.perKey === Infinity || lane === this.unkeyed) return true
    return lane.permits + permitsOf(lane.peek()!) <= this.perKey
  }

  /** Moves a lane to the list where it belongs now. */
  private moveToList(lane: Lane<T>): void {
    const list = lane.eligible || lane.debt > 0 ? this.ring : lane.size > 0 ? this.blocked : undefined
    if (list !== lane.list) {
      if (list === undefined) unlink(lane)
      else append(list, lane)
      lane.list = list
    }
    this.dropIdle(lane)
  }

  private dropIdle(lane: Lane<T>): void {
    const { key } = lane
    if (lane.list !== undefined || lane.permits > 0 || key === undefined) return
    lane.key = lane.noted = undefined
    if (this.idle < mostIdle) this.idle++
    else {
      this.lanes.delete(key)
      this.trimOldestFirst()
    }
    if (this.idle === this.lanes.size) this.dropAll()
  }

  /** Makes lanes at the head of the ring lose turns until the head has no debt. */
  private payDebts(): void {
    const { ring } = this
    let first: Lane<T> | undefined = undefined
    while (ring.next.debt > 0) {
      const lane = ring.next
      // Each lane of the ring has lost a turn, and has still a debt.
      if (lane === first) skipRounds(this.lanesIn(ring))
      first ??= lane
      if (--lane.debt > 0 || lane.eligible) append(ring, lane)
      else {
        if (lane === first) first = undefined
        this.moveToList(lane)
      }
    }
  }

  private lanesIn(list: Lane<T>): ReadonlyArray<Lane<T>> {
    const lanes: Array<Lane<T>> = []
    for (let lane = list.next; lane !== list; lane = lane.next) lanes.push(lane)
    return lanes
  }
}

/** Pays the turns that all of these lose before one of them is about to have its last one. A debt may be a million. */
const skipRounds = (all: ReadonlyArray<{ debt: number }>): void => {
  let rounds = Infinity
  for (const { debt } of all) rounds = Math.min(rounds, debt - 1)
  if (rounds > 0) for (const each of all) each.debt -= rounds
}
