/** Who gets the machine's reports: the pool's own observer, the timing while the pool measures, or both. */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import type { LinkedList } from "../backlog/list.ts"
import { callAfter } from "../runtime/timer.ts"
import { withSample } from "../timing/marks.ts"
import { Stopwatch } from "../timing/stopwatch.ts"
import { Timing } from "../timing/timing.ts"
import type { Entry, MachineObserver, TaskObserver } from "./entry.ts"

const platformClock = Context.get(Context.empty(), Clock.Clock)

export class Observers {
  /** The pool's own observer, if any. */
  own: MachineObserver | undefined = undefined
  /** Gets the reports about tasks: the timing while the pool measures, otherwise the pool's own observer, if any. */
  ofTasks: TaskObserver | undefined = undefined
  readonly watch: Stopwatch
  /** The times of the tasks, from the first time on that the pool measures. */
  timing: Timing | undefined = undefined
  /** The number of those for whom the pool measures. */
  private timed = 0
  private readonly clock: Clock.Clock
  private readonly running: LinkedList<Entry>
  private readonly onChange: () => void

  constructor(clock: Clock.Clock, running: LinkedList<Entry>, onChange: () => void) {
    this.clock = clock
    this.watch = new Stopwatch(clock)
    this.running = running
    this.onChange = onChange
  }

  /** Reports to the pool's own observer, until the returned function is called. */
  observe(observer: MachineObserver): () => void {
    this.own = observer
    this.choose()
    return () => {
      if (this.own === observer) this.own = undefined
      this.choose()
    }
  }

  /** Measures the times of tasks, until the returned function is called, or longer if others want them too. */
  measure(): () => void {
    this.timing ??= new Timing(this.watch, this.clock === platformClock ? callAfter : undefined)
    if (this.timed++ === 0) this.beginTiming(this.timing)
    this.choose()
    let isWanted = true
    return () => {
      if (isWanted && --this.timed === 0) this.timing!.end()
      isWanted = false
      this.choose()
    }
  }

  /** Nothing was told the dispatch of the tasks that run now, which may have been chosen when the pool measured before. */
  private beginTiming(timing: Timing): void {
    for (const entry of this.running.toArray()) entry.mark = withSample(entry.mark, 0)
    timing.begin()
  }

  get isMeasuring(): boolean {
    return this.timed > 0
  }

  private choose(): void {
    const { own, timed, timing } = this
    this.ofTasks = timed > 0 ? timing!.alongside(own) : own
    // Nothing would report when lent workers are taken back.
    if (timed === 0 && own?.usesStopwatch !== true) this.watch.forgetLoans()
    this.onChange()
  }
}
