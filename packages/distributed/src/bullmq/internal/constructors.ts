/** Makes the constructors of both kinds of pool, for any discipline: `make`, `layer` and `layerConfig`. */
import * as Config from "effect/Config"
import { SourceError } from "effect/ConfigProvider"
import type * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { Scope } from "effect/Scope"
import type { PoolMismatch } from "../../DistributedTaskPoolError.ts"
import type { DistributedPoolOptions } from "../../DistributedTaskPoolOptions.ts"
import type { DistributedTaskPoolService } from "../../DistributedTaskPoolService.ts"
import { DistributedTaskPool, type TagOption } from "../../DistributedTaskPool.ts"
import { checkKnown, checkMillis, checkPoolName, checkPositive, checkSize, maxSize } from "../../internal/arguments.ts"
import { makeService } from "../../internal/service.ts"
import { BullMq } from "../BullMq.ts"
import type { PoolIdentity } from "./broker.ts"
import { makeDriver } from "./driver.ts"

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

const commonOptions = ["name", "tag", "resultTtl", "sizeLimit", "sweep", "rate"]

type Make<Options> = (options: Options) => Effect.Effect<DistributedTaskPoolService, PoolMismatch, BullMq | Scope>
type Key<Self> = Context.Key<Self, DistributedTaskPoolService>

/** Returns the three constructors of a fixed pool. */
export const fixedPool = (kind: string, discipline: string) => {
  const open = (
    where: string,
    options: BullMqFixedPoolOptions
  ): Effect.Effect<DistributedTaskPoolService, PoolMismatch, BullMq | Scope> => {
    const { size = 3 } = checkKnown(where, options, ["size", ...commonOptions])
    checkSize(where, size)
    return service(common(where, options), { discipline, kind: "fixed", size, min: 0, max: maxSize })
  }
  const make: Make<BullMqFixedPoolOptions> = (options) => open(`${kind}.make`, options)

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

  const layerConfig = <Self = DistributedTaskPool>(
    config: Config.Wrap<BullMqFixedPoolOptions>,
    options: TagOption<Self> = {}
  ): Layer.Layer<Self, PoolMismatch | Config.ConfigError, BullMq> => {
    const where = `${kind}.layerConfig`
    return layerOf(
      checkKnown(where, options, ["tag"]).tag,
      fromConfig(config, (value) => open(where, value))
    )
  }

  return { make, layer, layerConfig }
}

interface Common {
  readonly name: string
  readonly resultTtl: number
  readonly sweep: number
  readonly sizeLimit: number
  readonly rate: PoolIdentity["rate"]
}

const common = (where: string, options: BullMqPoolOptions): Common => {
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
  { name, rate, sizeLimit, ...times }: Common,
  identity: Omit<PoolIdentity, "name" | "rate">
): Effect.Effect<DistributedTaskPoolService, PoolMismatch, BullMq | Scope> =>
  Effect.flatMap(BullMq, (connection) =>
    Effect.map(makeDriver({ ...connection, ...times, pool: { ...identity, name, rate } }), (driver) =>
      makeService(driver, { sizeLimit })
    )
  )

const layerOf = <Self, E>(
  tag: Key<Self> | undefined,
  make: Effect.Effect<DistributedTaskPoolService, E, BullMq | Scope>
): Layer.Layer<Self, E, BullMq> => Layer.effect((tag ?? DistributedTaskPool) as Key<Self>, make)

/** A wrong value in a configuration is not a bug of the program, so it fails. A wrong argument throws. */
const fromConfig = <A>(
  config: Config.Wrap<A>,
  open: (value: A) => Effect.Effect<DistributedTaskPoolService, PoolMismatch, BullMq | Scope>
) =>
  Effect.flatMap(Config.unwrap(config), (value) =>
    Effect.flatten(Effect.try({ try: () => open(value), catch: invalidConfig }))
  )

const invalidConfig = (cause: unknown): Config.ConfigError =>
  new Config.ConfigError(new SourceError({ message: (cause as Error).message, cause }))
