/**
 * The adaptive policy: finds how many tasks the server behind a pool can handle, and keeps the pool just below that.
 *
 * Up to the server's **knee**, the run time of tasks stays at a **base**, whatever the size. Beyond the knee the run
 * time grows in proportion to the size, and throughput does not rise. So the policy grows while the run time is calm,
 * and stops when the run time exceeds the base by more than `tolerance` and chance explain. The cause may be the pool's
 * own growth or a slower server. The policy finds out by an experiment: it reduces the size by a quarter and measures
 * whether the run time follows (its **elasticity**). More overload failures than tolerated reduce the size at once, and
 * the size that failed stays a **ceiling** for a while. The policy asks the same question of failures: if a clearly
 * smaller size fails as often, they do not follow the size. They become the **background**, as a run time that does not
 * follow becomes the base, and the size returns.
 *
 * | mode     | meets                                   | does                                     | reason     |
 * | -------- | --------------------------------------- | ---------------------------------------- | ---------- |
 * | any      | fresh overload failures                 | x 0.8, ceiling                           | `OVERLOAD` |
 * | any      | as many failures at a smaller size      | the size before; they are the background | `RESTORE`  |
 * | any      | only overload failures                  | x 0.5, at the minimum a pause; `start`   | `OUTAGE`   |
 * | any      | unused workers                          | never grows; decays to twice the demand  | `IDLE`     |
 * | `start`  | calm                                    | x 2, below 5 tasks x 4                   | `START`    |
 * | `start`  | congestion, no more throughput, or back | `steady`                                 | `STEADY`   |
 * | `steady` | calm                                    | + sqrt(size), more per calm window       | `GROW`     |
 * | `steady` | neither calm nor clearly congested      | + sqrt(size) / 2                         | `GROW`     |
 * | `steady` | congestion after its own growth         | back to the calm size                    | `REVERT`   |
 * | `steady` | other congestion, or a check is due     | x 0.75, an experiment                    | `VERIFY`   |
 * | `steady` | experiment: the run time follows        | x 0.75 again                             | `STEP`     |
 * | `steady` | it does not follow, tasks had queued    | the knee                                 | `KNEE`     |
 * | `steady` | it does not follow, none had queued     | the size before, with a new base         | `RESTORE`  |
 * | any      | none of these                           | nothing                                  | `HOLD`     |
 *
 * Sources: slow start, congestion avoidance and the remembered threshold are TCP's (Jacobson 1988, RFC 5681); run time
 * against its uncongested value is Vegas' signal (Brakmo and Peterson 1994); `n / throughput` for the run time is
 * Little's law (1961). The experiment, the margin for chance and the ceiling are original: see ADR 0020.
 */
import type { AutoScaleBounds, AutoScaleDecision, AutoScaleEvidence, AutoScalePolicy } from "../../AutoScaleModel.ts"
import { clamp, minSize, type Sample, sanitize, sizeOf } from "./sample.ts"

export interface Settings {
  readonly interval: number
  readonly maxInterval: number
  readonly tolerance: number
  readonly backoff: number
  readonly overloadTolerance: number
  readonly failureHold: number
  readonly probeEvery: number
}

/** Measurements at one size, over one or more windows. */
interface Reading {
  /** Mean run time. */
  readonly run: number
  /** The number of tasks that `run` is the mean of. */
  readonly runs: number
  /** Mean tasks in flight. */
  readonly inflight: number
  /** Tasks per millisecond. */
  readonly throughput: number
  readonly windows: number
}

interface Experiment {
  /** The reading that the next one is compared with. */
  readonly before: Reading
  /** The limit when the experiment began. */
  readonly limit: number
  /** The highest throughput during the experiment. */
  readonly throughput: number
  /** The number of steps after the first. */
  readonly steps: number
  /** Whether it follows the pool's own growth. */
  readonly own: boolean
}

/** The size that the policy does not exceed for now. */
interface Ceiling {
  /** The limit does not grow beyond it; `Infinity` when there is none. */
  readonly value: number
  /** The number of windows in which `failures.debt` still keeps the ceiling from rising. */
  readonly windowsLeft: number
  /** How long the last ceiling caused by failures was held, in windows. */
  readonly hold: number
  /** The size that had failed then. */
  readonly failedSize: number
  /** Whether a Retry-After set it. */
  readonly refused: boolean
  /** How many times the ceiling has risen since it was set. */
  readonly raises: number
}

interface Failures {
  /** Overload failures that settled tasks have not yet paid for, at the rate of `price`. */
  readonly debt: number
  /** The same for the last few failures, at the rate of `pace`. No ceiling rises until they are paid for. */
  readonly recent: number
  /** Fresh overload failures beyond the tolerated share that settled tasks have not yet paid for. */
  readonly excess: number
  /** The share of tasks that fail, over the last few hundred. */
  readonly share: number
  /** The share that no size avoids, as far as it is known. */
  readonly background: number
  /** Tasks per window. */
  readonly tasks: number
  /**
   * The share of workers whose tasks no run time tells of, by Little's law, over the last windows: they will time out, or
   * retry on their own. Quick rejections hold no workers.
   */
  readonly unanswered: number
  /** Whether the last window had more fresh overload failures than tolerated. */
  readonly streak: boolean
  /** Whether the present failures began when the policy grew beyond `lastGood.heldLimit`. */
  readonly ownGrowth: boolean
}

/** The question whether failures follow the size: their share at the size that failed, and below it. */
interface Suspicion {
  /** The limit when the failures began. */
  readonly limit: number
  /** The share of failures, and the size at which it was that. */
  readonly share: number
  /** The number of failures that `share` comes from. */
  readonly failures: number
  readonly size: number
  /** Tasks and failures at smaller sizes that failed too. */
  readonly low: Count
}

interface Count {
  readonly tasks: number
  readonly failures: number
}

interface Outage {
  /** The number of pauses in a row. */
  readonly pauses: number
  /** How long tasks have succeeded since the last outage, and how long it lasted, in milliseconds. */
  readonly up: number
  readonly down: number
}

interface LastGood {
  /** The limit in the last window without overload failures. */
  readonly limit: number
  /** The last limit that several windows held without overload failures; 0 when none is known. */
  readonly heldLimit: number
  /** The most tasks in flight without overload failures since the last such failure. */
  readonly inflight: number
}

export interface AdaptiveState {
  /** The limit, a real number: the size is its floor. */
  readonly limit: number
  readonly mode: "start" | "steady"
  /** Run time without congestion; 0 when unknown. */
  readonly base: number
  /** The number of tasks that the base is the mean of, while in `start`. */
  readonly baseRuns: number
  /**
   * Run times pooled over about 1,000 tasks. The spread is a property of the tasks, and one window has too few of them.
   */
  readonly mean: number
  readonly variance: number
  readonly runs: number
  /** Measurements at the present size so far. */
  readonly level: Reading | undefined
  /** The size of this window, and its difference from the size of the window before. */
  readonly size: number
  readonly moved: number
  /** The last calm reading, which congestion is compared with. */
  readonly calmAt: Reading | undefined
  /** Whether the policy has grown since that reading. */
  readonly grown: boolean
  /** The number of calm windows in a row in which the policy grew. */
  readonly calm: number
  readonly experiment: Experiment | undefined
  /** Windows until the next check. */
  readonly checkIn: number
  /** Windows from one check to the next one. */
  readonly checkEvery: number
  /** The least tasks in flight in a calm window since the last check; 0 when there was none. */
  readonly climbedFrom: number
  /** Whether the base has fallen since the last experiment. */
  readonly baseFell: boolean
  /** The number of windows without growth that are left. */
  readonly hold: number
  readonly ceiling: Ceiling
  readonly failures: Failures
  readonly suspicion: Suspicion | undefined
  /** Tasks and failures at the present size. */
  readonly here: Count
  readonly lastGood: LastGood
  /** The limit at which slow start ends. */
  readonly threshold: number
  /** The highest throughput in slow start. */
  readonly throughput: number
  /** The most tasks in flight in each of the last windows. */
  readonly peaks: ReadonlyArray<number>
  /** The number of windows in a row with unused workers. */
  readonly idle: number
  readonly outage: Outage
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] }

/** A copy of the state, which one update changes. */
type Draft = Mutable<Omit<AdaptiveState, "ceiling" | "failures" | "outage" | "lastGood">> & {
  readonly ceiling: Mutable<Ceiling>
  readonly failures: Mutable<Failures>
  readonly outage: Mutable<Outage>
  readonly lastGood: Mutable<LastGood>
}

interface Verdict {
  readonly reason: string
  readonly elasticity?: number | undefined
  readonly pause?: number
}

// Internal constants. `simulate --accept` tests them as a whole.
const margin = 2.5 // standard errors that congestion must exceed
const surprise = 3 // standard errors beyond which a window shows a change
const queueing = 0.7 // elasticity from which tasks are assumed to queue
const mostElasticity = 3.5 // elasticity beyond which the size cannot be the cause
const stepDown = 0.75
const mostPeriods = 4 // usual times between two checks, after checks that found nothing
const calledFor = 4 // windows until a check that a falling base calls for
const revertHold = 8 // windows
const refusedHold = 5 // windows
const deepBackoff = 0.65 // instead of `backoff` while the server admits hardly any task
const mostRejected = 0.75 // rejected tasks per task started, from which the server admits hardly any
const hiding = 3 // tasks in flight per completion, in mean run times, from which the run times mean little
const longestHold = 2_400 // windows
const mostBackground = 0.07 // the largest share of failures that is taken for one that no size avoids
const losingShare = 0.005 // failures per task from which responses may be lost
const losingWorkers = 0.15 // unanswered workers, as a share, from which responses may be lost
const fewTasks = 16 // tasks in flight up to which slow start quadruples the size
const farBelow = 0.75 // part of the size that failed below which a ceiling rises quickly
const largeStart = 15 // times the initial size, from which slow start uses windows of one mean run time
const doubt = 1.25 // standard errors beyond which the policy waits for more tasks instead of growing
const price = 0.0015 // failures per task that the search for a higher limit may cost
const pace = 0.007 // failures per task after which a ceiling may rise again
const mostDue = 3 // failures
const longestDue = 12 // windows, even if they have few tasks
const longestDueSlow = 45 // the same, if windows wait for tasks
const demandWindows = 20
const longestPause = 1_000 // ms

export const make = (settings: Settings): AutoScalePolicy<AdaptiveState> => ({
  name: "adaptive",
  initial: (bounds) => ({
    limit: Math.max(1, bounds.initial),
    mode: "start",
    base: 0,
    baseRuns: 0,
    mean: 0,
    variance: 0,
    runs: 0,
    level: undefined,
    size: bounds.initial,
    moved: 0,
    calmAt: undefined,
    grown: false,
    calm: 0,
    experiment: undefined,
    checkIn: settings.probeEvery,
    checkEvery: settings.probeEvery,
    climbedFrom: 0,
    baseFell: false,
    hold: 0,
    ceiling: { value: Infinity, windowsLeft: 0, hold: 0, failedSize: 0, refused: false, raises: 0 },
    failures: {
      debt: 0,
      recent: 0,
      excess: 0,
      share: 0,
      background: 0,
      tasks: 0,
      unanswered: 0,
      streak: false,
      ownGrowth: false
    },
    suspicion: undefined,
    here: { tasks: 0, failures: 0 },
    lastGood: { limit: bounds.initial, heldLimit: 0, inflight: 0 },
    threshold: Infinity,
    throughput: 0,
    peaks: [],
    idle: 0,
    outage: { pauses: 0, up: Infinity, down: 0 }
  }),
  window: (state, bounds) => {
    const size = sizeOf(state.limit, bounds)
    // One worker cannot overload a server, so two tasks are enough.
    const enough = Math.min(20, Math.max(size === 1 ? 2 : 5, 2 * size))
    return {
      interval: settings.interval,
      maxInterval: settings.maxInterval,
      // An experiment compares two means. Its windows need enough tasks to distinguish an elasticity of 1 from one of
      // 0.5.
      minSamples: state.experiment === undefined ? enough : clamp(enough, 400 * spread(state), 120),
      // After many doublings the windows of slow tasks cost more than a doubling too many.
      runFactor: state.mode === "start" && state.limit >= largeStart * bounds.initial ? 1 : 2,
      overloads: Math.max(
        1,
        1 +
          Math.floor(
            enoughFailures(settings, state, size) -
              state.failures.excess +
              2 * state.failures.background * state.failures.tasks
          )
      )
    }
  },
  update: (state, raw, bounds) => {
    const sample = sanitize(raw)
    const next: Draft = {
      ...state,
      size: sample.size,
      moved: sample.size - state.size,
      ceiling: { ...state.ceiling },
      failures: { ...state.failures },
      outage: { ...state.outage },
      lastGood: { ...state.lastGood }
    }
    const verdict = decide(settings, next, sample, bounds)
    next.limit = clamp(minSize(bounds), next.limit, bounds.max)
    const size = sizeOf(next.limit, bounds)
    return [next, decision(next, sample, size, verdict)]
  }
})

const decision = (state: AdaptiveState, sample: Sample, size: number, verdict: Verdict): AutoScaleDecision => {
  const evidence: AutoScaleEvidence = {
    before: sample.size,
    limit: state.limit,
    base: state.base,
    run: sample.runMean,
    overloads: sample.overloadedFresh,
    ...(state.ceiling.value === Infinity ? undefined : { ceiling: state.ceiling.value }),
    ...(verdict.elasticity === undefined ? undefined : { elasticity: verdict.elasticity })
  }
  return verdict.pause === undefined
    ? { size, reason: verdict.reason, evidence }
    : { size, pause: verdict.pause, reason: verdict.reason, evidence }
}

const decide = (settings: Settings, next: Draft, sample: Sample, bounds: AutoScaleBounds): Verdict => {
  if (sample.byDemand) adoptDemand(next, sample.size)
  else if (sample.resized) adopt(next, sample.size)
  next.hold = Math.max(0, next.hold - 1)
  next.ceiling.windowsLeft = Math.max(0, next.ceiling.windowsLeft - 1)
  next.checkIn--

  const settled = sample.succeeded + sample.failed + sample.overloaded
  // Lost responses are usual at any size. A ceiling that waited for them to stop would never rise.
  const usual = 1.5 * (isLosing(next) ? next.failures.share : next.failures.background)
  next.failures.debt = clamp(0, next.failures.debt + sample.overloaded - (price + usual) * settled, 50)
  // When tasks are so slow that a window waits for them, it ends with the minimum number of tasks.
  const longest = sample.duration > 1.5 * settings.interval ? longestDueSlow : longestDue
  next.failures.recent = clamp(
    0,
    next.failures.recent + sample.overloaded - Math.max((pace + usual) * settled, mostDue / longest),
    mostDue
  )
  const fresh = sample.overloadedFresh
  const counted = settled - sample.overloaded + fresh
  updateShare(next, settled, sample.overloaded)
  updateUnanswered(settings, next, sample)
  const start = next.moved !== 0 || sample.overloaded > fresh ? { tasks: 0, failures: 0 } : next.here
  next.here = sample.overloaded > fresh ? none : { tasks: start.tasks + counted, failures: start.failures + fresh }
  next.failures.excess = Math.max(0, next.failures.excess + fresh - toleratedShare(settings, next) * counted)
  const refused = sample.retryAfter > 0
  const failed = fresh > 0 && next.failures.excess > enoughFailures(settings, next, sample.size)
  if (!refused && examine(next, sample.size, failed)) return { reason: "RESTORE" }
  if (refused || failed) {
    const before = next.failures.streak
    next.failures.streak = true
    next.failures.excess = 0
    return overload(settings, next, sample, before, bounds)
  }
  if (fresh === 0) {
    next.failures.streak = false
    next.failures.ownGrowth = false
  }
  if (sample.timed < 1 || sample.duration <= 0 || sample.runMean <= 0) return { reason: "HOLD" }
  if (sample.overloaded === 0) {
    next.lastGood.inflight = Math.max(next.lastGood.inflight, sample.avgInflight)
    next.lastGood.limit = next.limit
  }
  next.outage.pauses = 0
  next.outage.up += sample.duration
  next.peaks = [...next.peaks.slice(1 - demandWindows), sample.maxInflight]
  updateRunTimes(next, sample)
  const level = measure(next, sample)
  if (level.windows >= 4 && sample.overloaded === 0) next.lastGood.heldLimit = next.limit
  const own = level.run * Math.sqrt(spread(next) / level.runs)
  const congestedFrom = next.base * (1 + settings.tolerance)
  // In slow start the base is the mean of a few tasks that began together, and the quick ones end first. Its own error
  // counts twice. A run time between the two limits needs another window.
  const doubtful = next.mode === "start" && next.base > 0 && level.run > congestedFrom + margin * own
  const error = next.mode === "start" && next.base > 0 ? Math.hypot(own, 2 * baseError(next)) : own
  updateBase(settings, next, level, error)

  const demand = sample.saturated >= 0.1 || sample.queuedMin > 0
  if (next.experiment !== undefined) return conclude(settings, next, next.experiment, level, demand, bounds)
  if (!demand) return idle(next, bounds)
  const ratio = level.run / next.base
  if (level.run > next.base * (1 + settings.tolerance) + margin * error) {
    return congested(settings, next, level, ratio, bounds)
  }
  if (doubtful) return { reason: "HOLD" }
  // Another policy or a bound keeps the size below the limit. Whether the server can handle the limit is not known.
  if (sample.size < sizeOf(next.limit, bounds)) return idle(next, bounds)
  next.idle = 0
  // A window that failures ended early is a bad base for comparison.
  const check = next.checkIn <= 0 && sample.reason === "elapsed"
  if (next.mode === "steady" && check) return verify(settings, next, level, undefined)
  return grow(settings, next, level, ratio, error, sample)
}

/** Continues from a size set by demand alone. A smaller one says nothing about the server: slow start returns from it. */
const adoptDemand = (next: Draft, size: number): void => {
  if (size < next.limit) startAgain(next)
  next.limit = size
  if (next.experiment !== undefined) {
    // Nothing ends at the smaller size either, so the size is not the cause: the one before returns. Without the new
    // period the next window would step down again, and the pool would stay small while tasks wait.
    next.checkIn = next.checkEvery
    if (size >= next.size) next.limit = Math.max(size, next.experiment.limit)
  }
  next.experiment = undefined
  next.level = undefined
}

/** Begins slow start towards the present limit, which the server can handle. */
const startAgain = (next: Draft): void => {
  next.threshold = next.mode === "steady" ? next.limit : Math.max(next.limit, next.threshold)
  next.mode = "start"
  next.throughput = 0
}

/** Continues from a size set by hand. Forgets what was learned about limits, keeps what was learned about tasks. */
const adopt = (next: Draft, size: number): void => {
  next.limit = size
  next.lastGood.limit = size
  next.lastGood.heldLimit = 0
  next.mode = "steady"
  next.experiment = undefined
  next.level = undefined
  next.ceiling.value = Infinity
  next.ceiling.windowsLeft = 0
}

// --- measurements --------------------------------------------------------------------------------------------------

const toleratedShare = (settings: Settings, state: AdaptiveState | Draft): number =>
  Math.max(settings.overloadTolerance, 2 * state.failures.background, isAsking(state) ? mostBackground : 0)

/** Whether the server seems to lose responses: tasks fail, and hold workers that no run time tells of. */
const isLosing = ({ failures }: AdaptiveState | Draft): boolean =>
  failures.unanswered > losingWorkers && failures.share > losingShare

/** Whether the question if failures follow the size is open at a clearly smaller size. Until it is answered, the size stays. */
const isAsking = (state: AdaptiveState | Draft): boolean => {
  const { here, limit, suspicion } = state
  if (suspicion === undefined || limit > clearlySmaller * suspicion.size || !isLosing(state)) return false
  return !isEnough(sum(suspicion.low, here))
}
const clearlySmaller = 0.76
const isEnough = ({ failures, tasks }: Count): boolean => tasks >= 100 && failures >= 4

/** Returns the number of failures beyond the tolerated share that chance does not explain. */
const enoughFailures = (settings: Settings, state: AdaptiveState | Draft, size: number): number =>
  Math.max(size <= 1 ? 0.5 : size <= 10 ? 1 : 2, 2 * Math.sqrt(toleratedShare(settings, state) * state.failures.tasks))

/** Updates the share of failures. */
const updateShare = (next: Draft, tasks: number, failures: number): void => {
  if (tasks <= 0) return
  next.failures.tasks += 0.2 * (Math.min(tasks, 100_000) - next.failures.tasks)
  next.failures.share += Math.min(1, tasks / memory) * (failures / tasks - next.failures.share)
}
const memory = 500 // tasks

/** Updates the share of workers whose tasks no run time tells of. A short window counts less. */
const updateUnanswered = (settings: Settings, next: Draft, sample: Sample): void => {
  const worked = sample.avgInflight * sample.duration
  if (sample.succeeded === 0 || worked <= 0) return
  const share = Math.max(0, 1 - (sample.succeeded * sample.runMean) / worked)
  const weight = 0.3 * Math.min(1, sample.duration / settings.interval)
  next.failures.unanswered += weight * (share - next.failures.unanswered)
}

const none: Count = { tasks: 0, failures: 0 }
const sum = (a: Count, b: Count): Count => ({ tasks: a.tasks + b.tasks, failures: a.failures + b.failures })

/** Notes that a size failed. */
const suspect = (next: Draft, limit: number, size: number): void => {
  const { here, suspicion } = next
  if (suspicion === undefined || size > suspicion.size) {
    const { failures, tasks } = here
    next.suspicion = { limit, size, share: failures / Math.max(1, tasks), failures, low: none }
  } else if (size <= clearlySmaller * suspicion.size) next.suspicion = { ...suspicion, low: sum(suspicion.low, here) }
}

/**
 * Compares the share of failures with that at a larger size that failed. Failures that do not follow the size are no
 * overload: they become the background, and the limit returns. Returns whether they did.
 */
const examine = (next: Draft, size: number, failed: boolean): boolean => {
  const { here, suspicion } = next
  // At some size hardly any task fails.
  if (here.failures === 0 && here.tasks * next.failures.background > 4) next.failures.background = 0
  if (suspicion === undefined || size > clearlySmaller * suspicion.size) return false
  if (here.failures === 0) {
    if (here.tasks * suspicion.share > 5) next.suspicion = undefined
    return false
  }
  const low = failed ? sum(suspicion.low, here) : here
  if (!isEnough(low)) return false
  const share = low.failures / low.tasks
  if (share > 1.7 * suspicion.share) next.suspicion = { ...suspicion, size, share, failures: low.failures, low: none }
  // A window that a few failures ended shows more of them than usual. If they are lost responses, only what chance does
  // not explain counts.
  const chance = isLosing(next) ? 1.5 / Math.sqrt(suspicion.failures) : 0
  const sure = suspicion.share * Math.max(0, 1 - chance)
  if (share > mostBackground || share < 0.5 * sure || share > 1.7 * suspicion.share) return false
  next.suspicion = undefined
  next.failures.background = share
  next.failures.share = share
  next.failures.excess = next.failures.debt = next.failures.recent = 0
  next.failures.streak = false
  next.limit = Math.max(next.limit, suspicion.limit)
  next.ceiling.value = Infinity
  next.ceiling.hold = 0
  next.level = undefined
  return true
}

/** Adds the window to the run times that are pooled over about 1,000 tasks. */
const updateRunTimes = (next: Draft, sample: Sample): void => {
  const weight = sample.timed / Math.min(next.runs + sample.timed, Math.max(1000, sample.timed))
  next.mean += weight * (sample.runMean - next.mean)
  next.variance += weight * (sample.runVariance - next.variance)
  next.runs += sample.timed
}

/** Returns the squared coefficient of variation of the run times. */
const spread = (state: AdaptiveState): number =>
  state.mean === 0 ? 1 : clamp(0.01, state.variance / (state.mean * state.mean), 25)

/** Returns the standard error of the base in slow start. */
const baseError = (state: Draft): number => state.base * Math.sqrt(spread(state) / state.baseRuns)

/** Returns the mean run time by Little's law: tasks in flight per completion. */
const presentRun = (sample: Sample): number =>
  (sample.avgInflight * sample.duration) / (sample.succeeded + sample.failed)

/** Whether most tasks in flight do not end, for example because they retry on their own: the run times are of the lucky. */
const isHiding = (sample: Sample): boolean => sample.saturated >= 0.9 && presentRun(sample) > hiding * sample.runMean

/** Adds the window to the reading of the present size, or starts a new reading if something has changed. */
const measure = (next: Draft, sample: Sample): Reading => {
  const throughput = sample.succeeded / sample.duration
  const present = presentRun(sample)
  const window: Reading = {
    // Tasks that end after a step down began while more tasks ran. Little's law measures the present.
    run:
      next.moved < 0 && sample.overloaded === 0
        ? Math.min(sample.runMean, present)
        : next.moved === 0 && isHiding(sample)
          ? present
          : sample.runMean,
    runs: sample.timed,
    inflight: sample.avgInflight,
    throughput,
    windows: 1
  }
  const level = next.level
  if (level === undefined || next.moved !== 0 || Math.abs(window.inflight / level.inflight - 1) > 0.15) {
    return (next.level = window)
  }
  const errors = spread(next) * (level.run ** 2 / level.runs + window.run ** 2 / window.runs)
  if ((window.run - level.run) ** 2 > surprise ** 2 * errors) return (next.level = window)
  const kept = Math.min(level.runs, 8 * window.runs)
  const share = window.runs / (kept + window.runs)
  return (next.level = {
    run: level.run + share * (window.run - level.run),
    runs: kept + window.runs,
    inflight: level.inflight + share * (window.inflight - level.inflight),
    throughput: level.throughput + share * (window.throughput - level.throughput),
    windows: level.windows + 1
  })
}

/** Updates the base: up slowly, and only in calm windows; down at once, unless the difference may be chance. */
const updateBase = (settings: Settings, next: Draft, level: Reading, error: number): void => {
  const { run } = level
  const calm = next.base * (1 + settings.tolerance / 2)
  if (next.base === 0) {
    next.base = run
    next.baseRuns = level.runs
  } else if (run < next.base - surprise * error) {
    next.base += 0.5 * (run - next.base)
    next.checkIn = Math.min(next.checkIn, calledFor)
    next.baseFell = true
  } else if (next.mode === "start") {
    if (run > calm + margin * error) return
    next.base += (level.runs / (next.baseRuns + level.runs)) * (run - next.base)
    next.baseRuns = Math.min(1000, next.baseRuns + level.runs)
  } else if (run <= calm && next.experiment === undefined) next.base += 0.03 * (run - next.base)
}

// --- decisions -----------------------------------------------------------------------------------------------------

const overload = (
  settings: Settings,
  next: Draft,
  sample: Sample,
  again: boolean,
  bounds: AutoScaleBounds
): Verdict => {
  const limit = next.limit
  next.experiment = undefined
  next.level = undefined
  next.calm = 0
  const atMin = sample.size <= minSize(bounds)
  if (sample.succeeded === 0 && (atMin || sample.inflight < limit / 4)) {
    next.mode = "start"
    const { outage } = next
    if (outage.up > 0) {
      // An outage that returns soon may be caused by this pool, which has used up a quota: it returns to less.
      const returns = outage.up < 10 * outage.down
      next.threshold = returns ? Math.max(bounds.initial, next.lastGood.limit / 2) : next.lastGood.limit
      next.ceiling.value = returns ? next.threshold : Infinity
      const long = (10 * (outage.up + outage.down)) / settings.interval
      next.ceiling.windowsLeft = returns ? Math.ceil(Math.min(long, longestHold)) : 0
      next.failures.debt = 50
      outage.up = outage.down = 0
    }
    outage.down += sample.duration
    next.throughput = 0
    next.grown = false
    next.limit = limit / 2
    if (!atMin) return { reason: "OUTAGE" }
    const pause = Math.min(longestPause, settings.interval * 2 ** outage.pauses)
    outage.pauses = Math.min(10, outage.pauses + 1)
    outage.down += pause
    return { reason: "OUTAGE", pause }
  }
  suspect(next, limit, sample.size)
  if (!again) {
    // Each time the same size fails again, it is avoided for longer.
    const known = Math.abs(sample.size - next.ceiling.failedSize) <= 0.25 * sample.size
    next.ceiling.hold = Math.min(settings.failureHold, known ? 2 * next.ceiling.hold : settings.failureHold / 3)
    next.ceiling.failedSize = sample.size
  }
  // If only the pool has changed, the size before the growth is still good. The tasks that run have been admitted, so
  // the limit need not fall below their number.
  const grown = next.grown && next.mode === "steady"
  next.failures.ownGrowth =
    next.failures.ownGrowth || (grown && next.lastGood.heldLimit > 0 && next.lastGood.heldLimit < limit)
  const back = Math.min(limit - 1, next.lastGood.heldLimit)
  // The server admits hardly any task.
  const closed = again && sample.overloadedFresh >= mostRejected * sample.started
  next.limit = closed
    ? deepBackoff * limit
    : grown && back >= limit / 2
      ? back
      : Math.min(settings.backoff * limit, Math.max(sample.inflight, limit / 2))
  if (!next.failures.ownGrowth) next.lastGood.heldLimit = 0
  // Further failures of one incident determine how far to fall, not how far the limit may rise again.
  if (!again || next.ceiling.value === Infinity) {
    const { heldLimit, inflight } = next.lastGood
    const passed = Math.min(inflight, sample.size - 1)
    // A limiter may grant a larger size for one window only. The ceiling is halfway to the size that had held.
    const proven = next.failures.ownGrowth ? Math.max(heldLimit, (passed + heldLimit) / 2) : passed
    next.ceiling.value = Math.max(2, next.limit, proven)
    next.ceiling.refused = sample.retryAfter > 0
  }
  // A pool of two or three workers tries a larger size soon: few tasks risk failing, and the gain is large.
  const soon = Math.min(3 * next.ceiling.value, next.ceiling.value < 10 ? 10 + next.ceiling.value : Infinity)
  next.ceiling.windowsLeft = Math.ceil(Math.min(next.ceiling.hold, soon))
  // A pause costs all tasks that could have run, so tries cost at most one part in 60 of the time.
  if (sample.retryAfter > 0) {
    next.ceiling.windowsLeft = Math.max(next.ceiling.windowsLeft, (60 * sample.retryAfter) / settings.interval)
    next.failures.debt = 50
  }
  next.ceiling.raises = 0
  if (next.mode === "start") endSlowStart(next)
  next.grown = false
  return { reason: "OVERLOAD" }
}

/** Decides when the demand is below the limit. Growing now would let the next burst exceed what was tested. */
const idle = (next: Draft, bounds: AutoScaleBounds): Verdict => {
  next.idle++
  next.grown = false
  const enough = Math.max(bounds.initial, 2 * Math.max(...next.peaks))
  if (next.idle < demandWindows || next.limit <= enough) return { reason: "HOLD" }
  startAgain(next)
  next.limit = Math.max(enough, 0.9 * next.limit)
  return { reason: "IDLE" }
}

const congested = (
  settings: Settings,
  next: Draft,
  level: Reading,
  ratio: number,
  bounds: AutoScaleBounds
): Verdict => {
  const before = next.calmAt
  const { grown, limit } = next
  next.calm = 0
  next.grown = false
  const sustainable = (level.inflight / ratio) * (1 + settings.tolerance / 3)
  if (next.mode === "start") {
    endSlowStart(next)
    next.limit = Math.min(limit, sustainable)
    next.hold = 4
    return { reason: "STEADY" }
  }
  if (sizeOf(limit, bounds) <= minSize(bounds)) {
    // There is no smaller size to compare with.
    next.base = level.run
    return { reason: "RESTORE" }
  }
  const elasticity =
    grown && before !== undefined && level.inflight > 1.02 * before.inflight ? elasticityOf(before, level) : undefined
  if (elasticity === undefined || elasticity < queueing) return verify(settings, next, level, elasticity)
  next.limit = Math.min(limit, Math.max(before!.inflight, sustainable))
  next.hold = revertHold
  return { reason: "REVERT", elasticity }
}

const grow = (
  settings: Settings,
  next: Draft,
  level: Reading,
  ratio: number,
  error: number,
  sample: Sample
): Verdict => {
  const calm = ratio <= 1 + settings.tolerance / 2
  if (calm) {
    next.calmAt = level
    // A calm climb by a third shows what the next check would show. It does not replace one that was called for.
    const climbed = next.climbedFrom > 0 && stepDown * level.inflight >= next.climbedFrom
    if (climbed && next.mode === "steady" && next.checkIn > calledFor) {
      next.checkIn = next.checkEvery
      next.climbedFrom = level.inflight
    } else if (next.climbedFrom === 0 || level.inflight < next.climbedFrom) next.climbedFrom = level.inflight
  }
  if (next.mode === "start" && sample.reason === "elapsed" && !isHiding(sample)) {
    // A doubling that brings less than a tenth more throughput has passed the knee, if the demand was there.
    const flat = sample.saturated >= 0.9 && level.throughput < 1.1 * next.throughput
    next.throughput = Math.max(level.throughput, next.throughput)
    if ((flat && next.threshold === Infinity) || next.limit >= next.threshold) {
      endSlowStart(next)
      return { reason: "STEADY" }
    }
    const factor = 4 * next.limit <= fewTasks ? 4 : 2
    next.limit = Math.min(factor * next.limit, next.threshold)
    next.grown = true
    return { reason: "START" }
  }
  // Failures ended the window early, though they may be chance.
  if (sample.reason === "overload" || isHiding(sample)) return { reason: "HOLD" }
  // More tasks at this size show whether the difference is chance.
  if (next.hold > 0 || ratio > 1 + settings.tolerance + (doubt * error) / next.base) return { reason: "HOLD" }
  const stepAt = (windows: number): number =>
    Math.max(1, calm ? Math.sqrt(next.limit) * (1 + 0.5 * windows) : 0.5 * Math.sqrt(next.limit))
  const { ceiling, failures } = next
  const quick = calm && ceiling.value < farBelow * ceiling.failedSize
  const held = (ceiling.windowsLeft > 0 && failures.debt > 0) || failures.recent > 0
  if (held && next.limit >= ceiling.value) {
    next.calm = 0
    return { reason: "HOLD" }
  }
  if (!held && next.limit + (quick ? stepAt(next.calm) : 0) >= ceiling.value) {
    // The ceiling has expired. Near the size that failed it rises by 1, 1, 2, 2, 4 and so on, because that size may still
    // fail. Far below that size, passing the ceiling costs latency only: it rises by 1, 2, 4 as soon as a step reaches it.
    const rise = 2 ** Math.floor(ceiling.raises++ / (quick ? 1 : 2))
    ceiling.value = rise > next.limit ? Infinity : ceiling.value + rise
    if (!quick) {
      next.calm = 0
      // A bucket's tokens last for a while. The next rise waits until they would be used up.
      if (ceiling.refused) next.hold = refusedHold
    }
  }
  const step = stepAt(calm ? next.calm++ : (next.calm = 0))
  next.limit = Math.min(next.limit + step, next.ceiling.value)
  next.grown = true
  return { reason: "GROW" }
}

/**
 * Ends slow start. Its base was measured at the initial size, which may be congested, so an experiment checks it soon.
 */
const endSlowStart = (next: Draft): void => {
  next.mode = "steady"
  // After silence the base is known. After an outage the server may be another one.
  const known = next.threshold < Infinity && next.outage.up === Infinity
  if (!known) next.checkIn = Math.min(next.checkIn, 3)
}

// --- the experiment ------------------------------------------------------------------------------------------------

/** Returns by how many percent the run time changes when concurrency changes by one percent. */
const elasticityOf = (from: Reading, to: Reading): number =>
  Math.log(to.run / from.run) / Math.log(to.inflight / from.inflight)

const verify = (settings: Settings, next: Draft, before: Reading, elasticity: number | undefined): Verdict => {
  // After the pool's own growth, including slow start, congestion is not a sign of a slower server.
  const own = elasticity !== undefined || next.checkIn <= 3
  next.experiment = { before, limit: next.limit, throughput: before.throughput, steps: 0, own }
  next.limit = Math.min(next.limit, stepDown * before.inflight)
  next.grown = false
  next.calm = 0
  return { reason: "VERIFY", elasticity }
}

const conclude = (
  settings: Settings,
  next: Draft,
  experiment: Experiment,
  level: Reading,
  demand: boolean,
  bounds: AutoScaleBounds
): Verdict => {
  const { before, limit, steps } = experiment
  const { baseFell, checkEvery } = next
  next.baseFell = false
  next.checkEvery = settings.probeEvery
  const end = (reason: string, to: number, elasticity?: number): Verdict => {
    next.experiment = undefined
    next.checkIn = next.checkEvery
    next.climbedFrom = 0
    next.limit = to
    return { reason, elasticity }
  }
  // Demand fell, or the pool could not step down.
  const [low, high] = [0.7 * Math.floor(stepDown * before.inflight), 0.97 * before.inflight]
  if (!demand || level.inflight < low || level.inflight > high) return end("RESTORE", limit)
  const throughput = Math.max(experiment.throughput, level.throughput)
  const elasticity = elasticityOf(before, level)
  // The run time fell more than a smaller size explains: a stall has passed.
  if (elasticity > mostElasticity) return end("RESTORE", limit, elasticity)
  if (elasticity >= queueing && stepDown * level.inflight >= minSize(bounds)) {
    next.experiment = { before: level, limit, throughput, steps: steps + 1, own: false }
    next.limit = stepDown * level.inflight
    return { reason: "STEP", elasticity }
  }
  // Fewer tasks cannot make the server slower. The cause is chance, or tasks that began before the step.
  const run =
    elasticity >= 0 ? level.run : (before.run * before.runs + level.run * level.runs) / (before.runs + level.runs)
  if (steps === 0 && run > next.base * (1 + settings.tolerance / 2)) {
    // Either the server became slower, and this run time is its new base. Or more concurrent tasks are worth their
    // latency, and the latency before the step was not congestion. If the measurement was chance, a check corrects it
    // soon.
    const soon = run > next.base * (1 + settings.tolerance)
    next.base = experiment.own && elasticity > 0 ? before.run : run
    const verdict = end("RESTORE", limit, elasticity)
    next.hold = 2
    if (soon) next.checkIn = revertHold
    return verdict
  }
  // Nothing new: the next check can wait for longer.
  if (steps === 0 && elasticity < queueing / 2) {
    next.checkEvery = Math.min(2 * checkEvery, mostPeriods * settings.probeEvery)
  }
  const near = (run - next.base) ** 2 < (6 * run ** 2 * spread(next)) / level.runs
  next.base = near ? (next.base + run) / 2 : run
  // Tasks that no run time tells of, such as those that will time out, are in flight at any size.
  // A server that loses responses: throughput leaves out the workers that lost tasks hold, tasks in flight do not.
  const best = level.throughput >= before.throughput ? level : before
  const knee = isLosing(next) ? (best.inflight * next.base) / best.run : throughput * next.base
  const ceiling = knee * (1 + settings.tolerance / 2)
  // A server that has become faster has no queue at either size, and its knee is above both.
  const faster = baseFell && steps === 0 && elasticity < 0.5
  if (ceiling < next.ceiling.value && !faster) {
    next.ceiling.value = ceiling
    next.ceiling.refused = false
    next.ceiling.windowsLeft = revertHold
    next.ceiling.raises = 0
  }
  return end("KNEE", Math.min(limit, knee * (1 + settings.tolerance / 3)), elasticity)
}
