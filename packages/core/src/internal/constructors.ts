/**
 * Makes the constructors of both kinds of pool, for any discipline: `make`, `layer` and `layerConfig`. Checks their
 * options.
 */
import * as Config from "effect/Config"
import { SourceError } from "effect/ConfigProvider"
import type * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { Scope } from "effect/Scope"
import * as AutoScalePolicy from "../AutoScalePolicy.ts"
import type { QueueDiscipline } from "../QueueDiscipline.ts"
import {
  type AutoScalePoolOptions,
  type FixedPoolOptions,
  type PoolOptions,
  type TagOption,
  TaskPool,
  type TaskPoolService
} from "../TaskPool.ts"
import {
  checkBoolean,
  checkCount,
  checkDuration,
  checkFunction,
  checkKnown,
  checkOwn,
  checkLimit,
  checkName,
  checkOrder,
  checkPolicy,
  checkPositiveLimit,
  checkTag,
  checkWord,
  isRecord,
  refuseType,
  show
} from "./arguments.ts"
import { checkRate } from "./pool/rate.ts"
import { makeService, type ServiceOptions } from "./service.ts"
import { autoScale } from "./autoScale/loop.ts"

type Make<Options> = (options?: Options) => Effect.Effect<TaskPoolService, never, Scope>
type Key<Self> = Context.Key<Self, TaskPoolService>

const commonOptions = [
  "name",
  "tag",
  "capacity",
  "onFull",
  "startPaused",
  "shutdown",
  "classify",
  "nested",
  "rate",
  "perKey",
  "ageing",
  "warnAfter",
  "spans",
  "timing"
]
const fixedOptions = ["size", ...commonOptions]
const autoScaleOptions = ["minSize", "maxSize", "interval", "policy", ...commonOptions]

/** Returns the three constructors of a fixed pool. */
export const fixedPool = (kind: string, discipline: QueueDiscipline) => {
  const serviceOptions = (where: string, options: FixedPoolOptions = {}): ServiceOptions => {
    const { size = 3 } = checkKnown(where, options, fixedOptions)
    const bounds = { min: 0, max: Infinity, initial: checkLimit(where, "size", size) }
    return { ...common(where, kind, discipline, options), ...bounds, isFixed: true }
  }
  const make: Make<FixedPoolOptions> = (options) => makeService(serviceOptions(`${kind}.make`, options))

  function layer<Self = TaskPool>(
    size?: number,
    options?: Omit<FixedPoolOptions, "size"> & TagOption<Self>
  ): Layer.Layer<Self>
  function layer<Self = TaskPool>(options: FixedPoolOptions & TagOption<Self>): Layer.Layer<Self>
  function layer<Self>(
    first?: number | (FixedPoolOptions & TagOption<Self>),
    options?: FixedPoolOptions & TagOption<Self>
  ): Layer.Layer<Self> {
    const where = `${kind}.layer`
    const isAlone = typeof first === "object" && first !== null
    if (isAlone && options !== undefined) refuseType(where, "options", "a single object", [first, options])
    const all = isAlone ? first : { ...checkOwn(where, options ?? {}, commonOptions), size: first }
    return layerOf(all.tag, makeService(serviceOptions(where, all)))
  }

  const layerConfig = <Self = TaskPool>(
    config: Config.Config<number> | Config.Wrap<FixedPoolOptions>,
    options: TagOption<Self> = {}
  ): Layer.Layer<Self, Config.ConfigError> =>
    layerOfConfig(
      `${kind}.layerConfig`,
      config as Config.Wrap<number | FixedPoolOptions>,
      options,
      (where, value: number | FixedPoolOptions) =>
        serviceOptions(where, typeof value === "number" ? { size: value } : value)
    )

  return { make, layer, layerConfig }
}

/** Returns the three constructors of an auto-scale pool. */
export const autoScalePool = (kind: string, discipline: QueueDiscipline) => {
  const serviceOptions = (where: string, options: AutoScalePoolOptions = {}): ServiceOptions => {
    const { interval, minSize = 3, policy = AutoScalePolicy.adaptive() } = checkKnown(where, options, autoScaleOptions)
    const min = checkCount(where, "minSize", minSize)
    const { classify, maxSize = min + 5 } = options
    const bounds = {
      min,
      max: checkLimit(where, "maxSize", maxSize),
      initial: minSize
    }
    checkOrder(where, ["minSize", minSize], ["maxSize", maxSize])
    checkPolicy(where, policy)
    const period = interval === undefined ? undefined : checkDuration(where, "interval", interval, "> 0")
    return {
      ...common(where, kind, discipline, options),
      ...bounds,
      isFixed: false,
      sizing: (machine, context) => autoScale(machine, context, { policy, bounds, interval: period, classify })
    }
  }
  const make: Make<AutoScalePoolOptions> = (options) => makeService(serviceOptions(`${kind}.make`, options))

  const layer = <Self = TaskPool>(options: AutoScalePoolOptions & TagOption<Self> = {}): Layer.Layer<Self> => {
    const service = makeService(serviceOptions(`${kind}.layer`, options))
    return layerOf(options.tag, service)
  }

  const layerConfig = <Self = TaskPool>(
    config: Config.Wrap<AutoScalePoolOptions>,
    options: TagOption<Self> = {}
  ): Layer.Layer<Self, Config.ConfigError> => layerOfConfig(`${kind}.layerConfig`, config, options, serviceOptions)

  return { make, layer, layerConfig }
}

const common = (
  where: string,
  kind: string,
  discipline: QueueDiscipline,
  options: PoolOptions & TagOption<unknown>
) => {
  const { capacity = Infinity, name = kind, nested = "lend", onFull = "suspend", perKey = Infinity } = options
  const { ageing, classify, rate, shutdown = {}, spans = "auto", startPaused = false } = options
  const { tag, timing = false, warnAfter } = options
  checkTag(where, tag)
  if (ageing !== undefined && discipline.name !== "priority") {
    throw new TypeError(`${where}: only a priority pool takes ageing, got ${show(ageing)}`)
  }
  const {
    interruptTimeout = "3 seconds",
    onInterrupt = "interrupt",
    drainTimeout
  } = checkKnown(`${where}: shutdown`, shutdown, ["drainTimeout", "interruptTimeout", "onInterrupt"])
  return {
    name: checkName(where, name),
    kind,
    discipline,
    spans: checkWord(where, "spans", ["auto", "none"], spans),
    timing: checkBoolean(where, "timing", timing),
    capacity: checkLimit(where, "capacity", capacity),
    onFull: checkWord(where, "onFull", ["suspend", "fail", "dropOldest"], onFull),
    startPaused: checkBoolean(where, "startPaused", startPaused),
    nested: checkWord(where, "nested", ["lend", "fail", "queue"], nested),
    rates: rate === undefined ? [] : checkRate(where, rate),
    perKey: checkPositiveLimit(where, "perKey", perKey),
    ageing: ageing === undefined ? undefined : finiteMillis(checkDuration(where, "ageing", ageing, "> 0")),
    warnAfter: warnAfter === undefined ? undefined : finiteMillis(checkDuration(where, "warnAfter", warnAfter, "> 0")),
    classify: classify === undefined ? undefined : checkFunction(where, "classify", classify),
    shutdown: {
      drainTimeout: checkDuration(where, "drainTimeout", drainTimeout ?? Duration.infinity),
      drainOnInterrupt: checkDuration(where, "drainTimeout", drainTimeout ?? "10 seconds"),
      interruptTimeout: checkDuration(where, "interruptTimeout", interruptTimeout),
      onInterrupt: checkWord(where, "onInterrupt", ["interrupt", "drain"], onInterrupt)
    }
  }
}

/** Milliseconds, or none for an infinite Duration: products with it would not be numbers that order tasks. */
const finiteMillis = (duration: Duration.Duration): number | undefined =>
  Duration.isFinite(duration) ? Duration.toMillis(duration) : undefined

const tagOf = <Self>(where: string, options: TagOption<Self>): Key<Self> | undefined =>
  checkTag(where, checkKnown(where, options, ["tag"]).tag)

const layerOf = <Self, E>(
  tag: Key<Self> | undefined,
  make: Effect.Effect<TaskPoolService, E, Scope>
): Layer.Layer<Self, E> => Layer.effect((tag ?? TaskPool) as Key<Self>, make)

const layerOfConfig = <Self, A>(
  where: string,
  wrapped: Config.Wrap<A>,
  options: TagOption<Self>,
  optionsOf: (where: string, value: A) => ServiceOptions
): Layer.Layer<Self, Config.ConfigError> =>
  layerOf(
    tagOf(where, options),
    Effect.flatMap(configOf(where, "config", wrapped) as Config.Config<A>, (value) =>
      Effect.flatMap(
        // A wrong value in a configuration is not a bug of the program, so it fails. A wrong argument throws.
        Effect.try({ try: () => optionsOf(where, value), catch: (cause) => invalidConfig(cause as Error) }),
        makeService
      )
    )
  )

/** Like `Config.unwrap`, but checks what it takes, and leaves out what is `undefined`. */
const configOf = (where: string, what: string, wrapped: unknown): Config.Config<unknown> => {
  if (Config.isConfig(wrapped)) return wrapped
  if (!isRecord(wrapped)) return refuseType(where, what, "a Config or a record of them", wrapped)
  const parts = Object.entries(wrapped).filter(([, part]) => part !== undefined)
  return Config.all(Object.fromEntries(parts.map(([name, part]) => [name, configOf(where, `${what}.${name}`, part)])))
}

const invalidConfig = (cause: Error): Config.ConfigError =>
  new Config.ConfigError(new SourceError({ message: cause.message, cause }))
