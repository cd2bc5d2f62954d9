/** What the workers of an auto-scale pool measure. */
import type * as Exit from "effect/Exit"
import type { RunResult } from "../../internal/driver.ts"

export interface Meter {
  readonly started: () => void
  readonly ended: (exit: Exit.Exit<RunResult>, millis: number) => void
}
