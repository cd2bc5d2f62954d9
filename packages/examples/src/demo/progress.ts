/**
 * Shows the progress of a trial: on a terminal a bar that is redrawn, otherwise a line at each quarter.
 */
import * as TerminalCapabilities from "effect/cli/TerminalCapabilities"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as Terminal from "effect/Terminal"
import type { Answer } from "./stopwatch.ts"

interface Count {
  readonly title: string
  readonly total: number
  ended: number
  failed: number
}

const clearLine = "\r\u001B[2K"

const drawBar = Effect.fnUntraced(function* ({ ended, failed, title, total }: Count) {
  const terminal = yield* Terminal.Terminal
  const text = ` ${title}  ${ended} of ${total}, ${failed} failed`
  const width = Math.max(0, Math.min(40, (yield* terminal.columns) - text.length - 3))
  const done = Math.round((width * ended) / total)
  yield* terminal.display(`${clearLine}[${"#".repeat(done)}${"-".repeat(width - done)}]${text}`)
})

const makeQuarterLines = () => {
  let shown = 0
  return Effect.fnUntraced(function* ({ ended, failed, title, total }: Count) {
    const quarter = Math.floor((4 * ended) / total)
    if (quarter === shown || quarter === 4) return
    shown = quarter
    yield* Console.log(`${title}: ${ended} of ${total}, ${failed} failed`)
  })
}

/**
 * Runs a trial of `total` requests and shows its progress. The trial calls `onAnswer` for each request. The bar is removed
 * when the trial ends or is interrupted.
 */
export const withProgress = <A, E, R>(
  title: string,
  total: number,
  trial: (onAnswer: (answer: Answer) => void) => Effect.Effect<A, E, R>
) =>
  Effect.gen(function* () {
    const { canAnimate } = yield* TerminalCapabilities.TerminalCapabilities
    const terminal = yield* Terminal.Terminal
    const count: Count = { title, total, ended: 0, failed: 0 }
    if (canAnimate) yield* Effect.addFinalizer(() => Effect.ignore(terminal.display(clearLine)))
    const show = canAnimate ? drawBar : makeQuarterLines()
    yield* Effect.suspend(() => show(count)).pipe(Effect.repeat(Schedule.spaced("100 millis")), Effect.forkScoped)
    return yield* trial(({ error }) => {
      count.ended++
      if (error !== undefined) count.failed++
    })
  }).pipe(Effect.scoped)
