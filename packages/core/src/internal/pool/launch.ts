/**
 * The launch of a task: the entry in a fiber's context by which a pool recognizes the fibers of its tasks.
 *
 * The fiber of a task has the launch in its context. So have all fibers that it forks, and the tasks of other pools
 * that it submits and waits for. A task that it submits with `fork` has no launch, because the submitter does not wait
 * for it.
 */
import * as Context from "effect/Context"
import type { Fiber } from "effect/Fiber"
import { overlay, type RuntimeContext } from "../runtime/fiber.ts"
import { hasKnownRuntime } from "../runtime/probe.ts"
import { noStamp } from "./ages.ts"
import type { Entry } from "./entry.ts"

export interface Launch {
  /** The task, until it settles. A fiber that outlives its task belongs to no task. */
  entry: Entry | undefined
  /** The context of the submitter, which may itself belong to a task. Kept until the task settles. */
  outer: Context.Context<never> | undefined
  /** The stamp of the start (see `ages.ts`), if the task has not ended in its first step. */
  startedAt: number
}

/** One key for all pools and for all copies of this module, so that each recognizes the tasks of the others. */
const launchKey = Context.Service<Launch, Launch>("@aio-task-pool/core/launch")

const noLaunch: Launch = { entry: undefined, outer: undefined, startedAt: noStamp }

/**
 * A launch that is also the context of its fiber, and the context's top entry: one object instead of three. It has the
 * fields of `Overlaid`. A subclass of that would cost each task a second constructor, and fields without `declare` would
 * be written twice.
 */
class LaunchContext implements Launch {
  declare cacheRoot: unknown
  declare base: ReadonlyMap<string, unknown>
  declare overlay: unknown
  declare depth: number
  declare _flat: undefined
  declare baseHits: number
  declare maxDepth: number
  declare parent: unknown
  declare entry: Entry | undefined
  declare outer: Context.Context<never> | undefined
  declare startedAt: number

  constructor(under: RuntimeContext, entry: Entry) {
    this.cacheRoot = under.cacheRoot
    this.base = under.base
    this.overlay = this
    this.depth = under.depth + 1
    this._flat = undefined
    this.baseHits = 0
    this.maxDepth = under.maxDepth
    this.parent = under.overlay
    this.entry = entry
    this.outer = under
    this.startedAt = noStamp
  }
}
Object.setPrototypeOf(LaunchContext.prototype, Object.getPrototypeOf(Context.empty()))
Object.defineProperties(LaunchContext.prototype, {
  key: { value: launchKey.key },
  value: {
    get(this: LaunchContext): Launch {
      return this
    }
  }
})

/** Makes the launch of an entry, and returns the context of its fiber. */
export const contextOfLaunch = (entry: Entry, outer: Context.Context<never>): Context.Context<never> => {
  const under = outer as RuntimeContext
  if (!hasKnownRuntime || under.depth >= under.maxDepth) return addLaunch(entry, outer)
  const launch = new LaunchContext(under, entry)
  entry.launch = launch
  return launch as unknown as Context.Context<never>
}

const addLaunch = (entry: Entry, outer: Context.Context<never>): Context.Context<never> => {
  const launch: Launch = { entry, outer, startedAt: noStamp }
  entry.launch = launch
  return Context.add(outer, launchKey, launch)
}

/**
 * Ends the launch and releases its references. Otherwise a chain of tasks that submit each other would stay in memory.
 */
export const endLaunch = (entry: Entry): void => {
  const { launch } = entry
  if (launch === undefined) return
  launch.entry = launch.outer = undefined
  entry.launch = undefined
}

/** Returns the context for a task whose submitter does not wait for it. */
export const withoutLaunch = (context: Context.Context<never>): Context.Context<never> =>
  Context.getOrUndefined(context, launchKey)?.entry === undefined
    ? context
    : hasKnownRuntime
      ? overlay(context, launchKey, noLaunch)
      : Context.add(context, launchKey, noLaunch)

/**
 * The context that was last found to be outside of every running task, which it stays. Most submitters share a context,
 * and looking up the launch would cost as much as a twentieth of a small task.
 */
let outside: Context.Context<never> | undefined

/** Returns the innermost running task that a fiber belongs to, of any pool. */
export const innermostEntry = ({ context }: Fiber<unknown, unknown>): Entry | undefined =>
  context === outside ? undefined : lookUpEntry(context)

const lookUpEntry = (context: Context.Context<never>): Entry | undefined => {
  const entry = Context.getOrUndefined(context, launchKey)?.entry
  if (entry === undefined) outside = context
  return entry
}

/** Returns the running task of one pool that a fiber belongs to. */
export const entryOf = (machine: object, { context }: Fiber<unknown, unknown>): Entry | undefined => {
  for (let inner: Context.Context<never> | undefined = context; inner !== undefined;) {
    const launch: Launch | undefined = Context.getOrUndefined(inner, launchKey)
    const entry = launch?.entry
    if (entry === undefined || entry.machine === machine) return entry
    inner = launch!.outer
  }
  return undefined
}
