/** The pauses of a pool: they stop its admission. One is begun by `pause`, and one by each effect in `withPaused`. */
import { once } from "./holds.ts"

export class Pauses {
  private readonly onChange: (paused: boolean) => void
  private byHand: boolean
  private count = 0

  /** `onChange` is called when the pool becomes paused, and when it is no longer paused. */
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

  /** Ends the pause of `pause`. */
  resume(): void {
    const { isPaused } = this
    this.byHand = false
    if (isPaused && !this.isPaused) this.onChange(false)
  }

  /** Begins a separate pause, and returns a function that ends it. */
  begin(): () => void {
    const { isPaused } = this
    this.count++
    if (!isPaused) this.onChange(true)
    return once(() => {
      this.count--
      if (!this.isPaused) this.onChange(false)
    })
  }

  /** Sets the pause of `pause` when the pool reopens. */
  reset(paused: boolean): void {
    this.byHand = paused
  }
}
