/**
 * Shows in the terminal how far task pools and long pieces of work are.
 *
 * **Example** (A bar for a `forEach`)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { AioFixedTaskPoolSimple, TaskPool } from "@aio-task-pool/core"
 * import { Progress } from "@aio-task-pool/node"
 *
 * const program = TaskPool.forEach([1, 2, 3], (n) => Effect.succeed(2 * n)).pipe(Progress.track({ label: "numbers" }))
 *
 * const layers = Effect.provide(program, [AioFixedTaskPoolSimple.layer(2), Progress.layer()])
 * await Effect.runPromise(layers) // => [2, 4, 6]
 * ```
 *
 * The last line stays: `✓ numbers: 3 of 3 in 0.0 s`.
 *
 * Guide: docs/guide/terminal.md
 *
 * @since 0.1.0
 */
import { ItemCounter, type PoolEntry, PoolRegistry, type PoolRegistryService } from "@aio-task-pool/core"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import { format } from "effect/Formatter"
import { dual } from "effect/Function"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import { Display, type PoolSample } from "./internal/progress/display.ts"
import { checkKnown } from "./internal/options.ts"
import type { Output } from "./internal/progress/screen.ts"

/**
 * Options of `layer`.
 *
 * @category options
 * @since 0.1.0
 */
export interface Options {
  /** The stream to write to, default `process.stderr`. */
  readonly stream?: Output | undefined
  /** How often the lines are drawn in a second, a number above 0 and at most 60, default 10. */
  readonly hz?: number | undefined
}

/**
 * Options of `track`.
 *
 * @category options
 * @since 0.1.0
 */
export interface TrackOptions {
  /** The name of the work, shown without control characters. */
  readonly label: string
  /** The number of items, an integer of 0 or more, default that of the `forEach` and `all` within. */
  readonly total?: number | undefined
}

const Current = Context.Reference<Display | undefined>("@aio-task-pool/node/Progress", {
  defaultValue: () => undefined
})

/**
 * Shows the pools of the registry while they work, and the work that `track` adds.
 *
 * **Details**
 *
 * Each has one line: a bar, the percentage, how many of how many items have ended, the rate of the last ten seconds, the
 * time left at that rate, and failed items. A pool also shows its running and waiting tasks. Of its total it knows only
 * the tasks that were submitted. Distributed pools are not shown.
 *
 * When work ends, fails or is interrupted, its last line stays. The last line of a pool says how many of its tasks had
 * which outcome. It is omitted if tracked work was shown beside it.
 *
 * On a terminal the lines are redrawn at the bottom, and what the program writes to it appears above them. Text without
 * a line feed appears with its line feed. If the stream is not a terminal, or `TERM` is `dumb`, there is one line at
 * each quarter and one at the end. `NO_COLOR` turns colors off. An invalid option throws `RangeError`.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options: Options = {}): Layer.Layer<never> => {
  const { hz = 10, stream = process.stderr } = checkKnown("Progress.layer", options, ["hz", "stream"])
  if (!(typeof hz === "number" && hz > 0 && hz <= 60)) {
    throw new RangeError(`Progress.layer: hz must be a number above 0 and at most 60, got ${format(hz)}`)
  }
  if (typeof stream?.write !== "function") {
    throw new RangeError(`Progress.layer: stream must be a writable stream, got ${format(stream)}`)
  }
  return Layer.effect(
    Current,
    Effect.gen(function* () {
      const read = readerOf(yield* PoolRegistry)
      const clock = yield* Clock.Clock
      const terminals = [process.stdout, process.stderr]
      // One step: a display that nothing closes would keep the terminal.
      const display = yield* Effect.acquireRelease(
        Effect.map(read, (samples) => new Display(stream, terminals, clock, process.env, 1000 / hz, samples)),
        // A registry that fails must not keep the terminal.
        (display) =>
          Effect.map(
            Effect.catchCause(read, () => Effect.succeed([])),
            (samples) => display.close(samples)
          )
      )
      yield* Effect.map(read, (samples) => display.tick(samples)).pipe(
        Effect.repeat(Schedule.spaced(1000 / hz)),
        Effect.catchCause((cause) => Effect.logError("Progress: nothing more is shown", cause)),
        Effect.forkScoped
      )
      return display
    })
  )
}

/** Reads the statistics of the open pools, and once more those of a pool that has closed. */
const readerOf = (registry: PoolRegistryService): Effect.Effect<ReadonlyArray<PoolSample>> => {
  let known = new Set<LocalEntry>()
  return Effect.flatMap(registry.pools, (pools) => {
    const open = new Set(pools.filter(isLocal))
    const closed = Array.from(known).filter((entry) => !open.has(entry))
    known = open
    return Effect.all([
      ...closed.map((entry) => sampleOf(entry, true)),
      ...Array.from(open, (entry) => sampleOf(entry, false))
    ])
  })
}

const sampleOf = (entry: LocalEntry, isLast: boolean): Effect.Effect<PoolSample> =>
  Effect.map(entry.service.stats, (stats) => ({ key: entry, id: entry.id, stats, isLast }))

type LocalEntry = Extract<PoolEntry, { readonly _tag: "Local" }>
const isLocal = (entry: PoolEntry): entry is LocalEntry => entry._tag === "Local"

/**
 * Shows an effect as one line while it runs.
 *
 * **Details**
 *
 * It counts the tasks that the effect submits to any pool: the items of each `forEach`, `all` and `mapEffect`, and each
 * task of `submit`, `fork` and the others. What a task submits itself is not counted. A `forEach` or `all` over a known
 * number of items adds that number to the total. Without a layer of `Progress`, the effect runs as it is. A wrong option
 * is a defect of type `RangeError`.
 *
 * @see step for work outside of pools
 * @category combinators
 * @since 0.1.0
 */
export const track: {
  (options: TrackOptions): <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  <A, E, R>(effect: Effect.Effect<A, E, R>, options: TrackOptions): Effect.Effect<A, E, R>
} = dual(2, <A, E, R>(effect: Effect.Effect<A, E, R>, options: TrackOptions): Effect.Effect<A, E, R> =>
  Effect.flatMap(Current, (display) => {
    const { label, total } = checkKnown("Progress.track", options, ["label", "total"])
    if (total !== undefined && !(Number.isSafeInteger(total) && total >= 0)) {
      throw new RangeError(`Progress.track: total must be an integer >= 0, got ${format(total)}`)
    }
    if (typeof label !== "string") throw new RangeError(`Progress.track: label must be a string, got ${format(label)}`)
    if (display === undefined) return effect
    return Effect.acquireUseRelease(
      Effect.sync(() => display.begin(label, total)),
      (work) => ItemCounter.count(effect, work),
      // The last task tells its counter after it has resumed its submitter.
      (work, exit) =>
        Effect.andThen(
          Effect.yieldNow,
          Effect.sync(() => display.end(work, exit))
        )
    )
  })
)

/**
 * Counts an effect as one item of the tracked work around it.
 *
 * **When to use**
 *
 * Use it for work outside of pools, and for several tasks that make one item.
 *
 * **Details**
 *
 * The item has ended when the effect has succeeded or failed. An interrupted effect is not counted. The tasks that it
 * submits are not counted themselves. Outside of `track` the effect runs as it is.
 *
 * **Example** (Counting work outside of pools)
 *
 * ```ts
 * import { Effect } from "effect"
 * import { Progress } from "@aio-task-pool/node"
 *
 * const double = (n: number) => Progress.step(Effect.succeed(2 * n))
 * const program = Effect.forEach([1, 2, 3], double).pipe(Progress.track({ label: "numbers", total: 3 }))
 *
 * await Effect.runPromise(Effect.provide(program, Progress.layer())) // => [2, 4, 6]
 * ```
 *
 * @category combinators
 * @since 0.1.0
 */
export const step: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R> = ItemCounter.step
