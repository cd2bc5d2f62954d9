/** Makes the constructors of both kinds of pool, for any discipline: `make`, `layer` and `layerConfig`. */
import { AutoScalePolicy, type AutoScalePoolOptions } from "@aio-task-pool/core"
import type * as Config from "effect/Config"
import type * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { Scope } from "effect/Scope"
import type { PoolMismatch } from "../../DistributedTaskPoolError.ts"
import type { DistributedPoolOptions } from "../../DistributedTaskPoolOptions.ts"
import type { DistributedTaskPoolService } from "../../DistributedTaskPoolService.ts"
import { DistributedTaskPool, type TagOption } from "../../DistributedTaskPool.ts"
import {
  checkFunction,
  checkKnown,
  checkMillis,
  checkPolicy,
  checkPoolName,
  checkPositive,
  checkSize,
  checkTag,
  maxSize
} from "../../internal/arguments.ts"
import { registration } from "../../internal/registration.ts"
import { makeService } from "../../internal/service.ts"
import { BullMq } from "../BullMq.ts"
import type { PoolIdentity } from "./broker.ts"
import { makeDriver } from "./driver.ts"
import { fromConfig } from "./fromConfig.ts"
import { Meter } from "./meter.ts"
import { encodeState } from "./policyState.ts"
import { runSizing, type SizingOptions } from "./sizing.ts"

/**
 * Options of every pool on BullMQ.
 *
 * @category options
 * @since 0.1.0
 */
export interface BullMqPoolOptions extends DistributedPoolOptions {
  /**
   * How often this process asks for tasks whose result has not arrived, a finite Duration above 0, default 5 seconds.
   *
   * Results arrive at once. This finds those whose message was lost.
   */
  readonly sweep?: Duration.Input | undefined
  /**
   * How many tasks may start within a time, over all processes, default no limit.
   *
   * The window is fixed: up to twice the limit may start across the boundary of two windows. Written by the process that
   * opens the pool first.
   */
  readonly rate?: BullMqRate | undefined
}

/**
 * A limit on the tasks that start within a window of time.
 *
 * @category options
 * @since 0.1.0
 */
export interface BullMqRate {
  /** The most starts within a window, an integer above 0. */
  readonly limit: number
  /** The length of the window, a finite Duration above 0. */
  readonly window: Duration.Input
}

/**
 * Options of the fixed pools on BullMQ.
 *
 * @category options
 * @since 0.1.0
 */
export interface BullMqFixedPoolOptions extends BullMqPoolOptions {
  /**
   * How many tasks run at once, over all processes, an integer from 0 to 1,000,000, default 3.
   *
   * Only the process that opens the pool first writes it. Use `resize` to change it.
   */
  readonly size?: number | undefined
}

/**
 * Options of the auto-scale pools on BullMQ.
 *
 * **Details**
 *
 * `minSize` and `maxSize` are written by the process that opens the pool first. The policy's state must be JSON, because
 * the processes share it through the broker: a number, a string, a boolean, `null`, or arrays and plain objects of these.
 * Give the same policy in all processes.
 *
 * @category options
 * @since 0.1.0
 */
export interface BullMqAutoScalePoolOptions extends BullMqPoolOptions {
  /** The fewest tasks that run at once, and the initial number, an integer from 0 to 1,000,000, default 3. */
  readonly minSize?: number | undefined
  /** The most tasks that run at once, an integer from `minSize` to 1,000,000, default `minSize + 5`. */
  readonly maxSize?: number | undefined
  /**
   * The longest time without a decision on the size, a finite Duration above 0, default 10 seconds.
   *
   * After that the pool decides by demand alone, as the pools of the core do.
   */
  readonly interval?: Duration.Input | undefined
  /** The policy that decides the size, default `AutoScalePolicy.adaptive()`. */
  readonly policy?: AutoScalePolicy.AutoScalePolicy<any> | undefined
  /** Returns what a handler's exit says about the server behind the pool. Called in the worker's process. */
  readonly classify?: AutoScalePoolOptions["classify"] | undefined
}

const commonOptions = ["name", "tag", "resultTtl", "sizeLimit", "sweep", "rate"]

type Open = Effect.Effect<DistributedTaskPoolService, PoolMismatch, BullMq | Scope>
type OpenWith<Options> = (where: string, options: Options) => Open
type Key<Self> = Context.Key<Self, DistributedTaskPoolService>

/** Returns the two constructors that both kinds of pool share. */
const constructors = <Options>(kind: string, open: OpenWith<Options>) => {
  const make = (options: Options): Open => open(`${kind}.make`, options)

  const layerConfig = <Self = DistributedTaskPool>(
    config: Config.Wrap<Options>,
    options: TagOption<Self> = {}
  ): Layer.Layer<Self, PoolMismatch | Config.ConfigError, BullMq> => {
    const where = `${kind}.layerConfig`
    return layerOf(
      checkTag(where, checkKnown(where, options, ["tag"]).tag),
      Effect.flatten(fromConfig(where, config, (value) => open(where, value)))
    )
  }

  return { make, layerConfig }
}

/** Returns the three constructors of a fixed pool. */
export const fixedPool = (kind: string, discipline: string) => {
  const open: OpenWith<BullMqFixedPoolOptions> = (where, options) => {
    const { size = 3 } = checkKnown(where, options, ["size", ...commonOptions])
    checkSize(where, size)
    return service(kind, common(where, options), { discipline, kind: "fixed", size, min: 0, max: maxSize })
  }

  function layer<Self = DistributedTaskPool>(
    size: number,
    options: Omit<BullMqFixedPoolOptions, "size"> & TagOption<Self>
  ): Layer.Layer<Self, PoolMismatch, BullMq>
  function layer<Self = DistributedTaskPool>(
    options: BullMqFixedPoolOptions & TagOption<Self>
  ): Layer.Layer<Self, PoolMismatch, BullMq>
  function layer<Self>(
    first: number | (BullMqFixedPoolOptions & TagOption<Self>),
    options?: Omit<BullMqFixedPoolOptions, "size"> & TagOption<Self>
  ): Layer.Layer<Self, PoolMismatch, BullMq> {
    const all = typeof first === "object" && first !== null ? first : { ...options!, size: first }
    return layerOf(all.tag, open(`${kind}.layer`, all))
  }

  return { ...constructors(kind, open), layer }
}

const autoScaleOptions = ["minSize", "maxSize", "interval", "policy", "classify", ...commonOptions]

/** Returns the three constructors of an auto-scale pool. */
export const autoScalePool = (kind: string, discipline: string) => {
  const open: OpenWith<BullMqAutoScalePoolOptions> = (where, options) => {
    const {
      classify,
      interval,
      minSize = 3,
      policy = AutoScalePolicy.adaptive()
    } = checkKnown(where, options, autoScaleOptions)
    checkSize(where, minSize, "minSize")
    const { maxSize: max = Math.min(maxSize, minSize + 5) } = options
    checkSize(where, max, "maxSize")
    if (max < minSize) {
      throw new RangeError(`${where}: maxSize must be an integer >= minSize, which is ${minSize}, got ${max}`)
    }
    if (classify !== undefined) checkFunction(where, "classify", classify)
    const bounds = { min: minSize, max, initial: minSize }
    checkPolicy(where, policy)
    encodeState(where, policy.initial(bounds))
    const period = interval === undefined ? undefined : checkMillis(where, "interval", interval, "> 0")
    return service(
      kind,
      common(where, options),
      { discipline, kind: "auto-scale", size: minSize, min: minSize, max },
      { classify, policy, interval: period }
    )
  }

  const layer = <Self = DistributedTaskPool>(
    options: BullMqAutoScalePoolOptions & TagOption<Self>
  ): Layer.Layer<Self, PoolMismatch, BullMq> => layerOf(options.tag, open(`${kind}.layer`, options))

  return { ...constructors(kind, open), layer }
}

interface Common {
  readonly name: string
  readonly resultTtl: number
  readonly sweep: number
  readonly sizeLimit: number
  readonly rate: PoolIdentity["rate"]
}

const common = (where: string, options: BullMqPoolOptions & TagOption<unknown>): Common => {
  checkTag(where, options.tag)
  const { name, rate, resultTtl = "1 hour", sizeLimit = 1_000_000, sweep = "5 seconds" } = options
  return {
    name: checkPoolName(where, name),
    resultTtl: checkMillis(where, "resultTtl", resultTtl, "> 0"),
    sweep: checkMillis(where, "sweep", sweep, "> 0"),
    sizeLimit: checkPositive(where, "sizeLimit", sizeLimit),
    rate: rate === undefined ? undefined : checkRate(`${where}: rate`, rate)
  }
}

const checkRate = (where: string, rate: BullMqRate) => {
  const { limit, window } = checkKnown(where, rate, ["limit", "window"])
  return { limit: checkPositive(where, "limit", limit), window: checkMillis(where, "window", window, "> 0") }
}

const service = (
  kind: string,
  { name, rate, sizeLimit, ...times }: Common,
  identity: Omit<PoolIdentity, "name" | "rate">,
  sizing?: SizingOptions & { readonly classify: BullMqAutoScalePoolOptions["classify"] }
): Open =>
  Effect.gen(function* () {
    const connection = yield* BullMq
    const options = { ...connection, ...times, pool: { ...identity, name, rate } }
    const enter = yield* registration
    if (sizing === undefined) {
      const driver = yield* makeDriver(options)
      yield* enter(kind, driver)
      return makeService(driver, { sizeLimit })
    }
    const runFork = Effect.runForkWith(yield* Effect.context())
    const meter = new Meter(sizing.classify, (message, defect) => {
      runFork(Effect.logWarning(`${name}: ${message}`, defect))
    })
    yield* Effect.addFinalizer(() => Effect.sync(() => meter.close()))
    const driver = yield* makeDriver(options, meter)
    yield* Effect.forkScoped(runSizing(driver.broker, sizing))
    yield* enter(kind, driver)
    return makeService(driver, { sizeLimit })
  })

const layerOf = <Self, E>(
  tag: Key<Self> | undefined,
  make: Effect.Effect<DistributedTaskPoolService, E, BullMq | Scope>
): Layer.Layer<Self, E, BullMq> => Layer.effect((tag ?? DistributedTaskPool) as Key<Self>, make)
