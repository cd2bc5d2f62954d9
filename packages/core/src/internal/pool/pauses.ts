/** Why a pool admits nothing for a while: `pause`, and the effects that pause it while they go on. */
import { once } from "./holds.ts"

export class Pauses {
  private readonly onChange: (paused: boolean) => void
  private byHand: boolean
  private count = 0

  /** `onChange` is called when the pool becomes paused, or is no longer. */
  constructor(startPaused: boolean, onChange: (paused: boolean) => void) {
    this.byHand = startPaused
    this.onChange = onChange
  }

  get isPaused(): boolean {
    return this.byHand || this.count > 0
  }

  get isByHand(): boolean {
    return this.byHand
  }

  pause(): void {
    const { isPaused } = this
    this.byHand = true
    if (!isPaused) this.onChange(true)
  }

  /** Ends what `pause` began. */
  resume(): void {
    const { isPaused } = this
    this.byHand = false
    if (isPaused && !this.isPaused) this.onChange(false)
  }

  /** Begins a pause of its own, and returns what ends it. */
  begin(): () => void {
    const { isPaused } = this
    this.count++
    if (!isPaused) this.onChange(true)
    return once(() => {
      this.count--
      if (!this.isPaused) this.onChange(false)
    })
  }

  /** The pool opens anew. */
  reset(paused: boolean): void {
    this.byHand = paused
  }
}
