/** Conditions that fibers wait for, checked at the end of each flush. */
import type { Completions, Notifiable } from "./completions.ts"

export class Watchers {
  /** Fibers that pass the same function share one check. */
  private readonly waiting = new Map<() => boolean, Set<Notifiable>>()

  /** Notifies `watcher` once, after a check at which `ready()` holds. */
  add(ready: () => boolean, watcher: Notifiable): void {
    const waiting = this.waiting.get(ready)
    if (waiting === undefined) this.waiting.set(ready, new Set([watcher]))
    else waiting.add(watcher)
  }

  remove(ready: () => boolean, watcher: Notifiable): void {
    const waiting = this.waiting.get(ready)
    if (waiting?.delete(watcher) === true && waiting.size === 0) this.waiting.delete(ready)
  }

  get isEmpty(): boolean {
    return this.waiting.size === 0
  }

  /** Enqueues all watchers whose condition holds now, even if one that is resumed before makes it false again. */
  check(completions: Completions): void {
    for (const [ready, waiting] of this.waiting) {
      if (!ready()) continue
      this.waiting.delete(ready)
      for (const watcher of waiting) completions.push(watcher)
    }
  }
}
