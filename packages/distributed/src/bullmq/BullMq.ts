/**
 * The connection of distributed pools to Redis or Valkey.
 *
 * @since 0.1.0
 */
import type * as Config from "effect/Config"
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import { Redis, type RedisOptions } from "ioredis"
import { checkKnown, checkMillis, isInstance } from "../internal/arguments.ts"
import { checkCredentials, checkPrefix, checkTls, checkUrl } from "./internal/arguments.ts"
import { fromConfig } from "./internal/fromConfig.ts"
import { timerMillis } from "./internal/timers.ts"

/**
 * Options of the connection.
 *
 * @category options
 * @since 0.1.0
 */
export interface BullMqOptions {
  /**
   * The server: `redis://host:port/database`, or `rediss://` for TLS. May contain a user name and a password.
   *
   * One server, or a proxy that looks like one. Redis Cluster and Sentinel are not supported.
   */
  readonly url: string | Redacted.Redacted
  /** The beginning of all keys, default `"aio"`: 1 to 64 characters of `A-Z a-z 0-9 . _ - { }`. */
  readonly prefix?: string | undefined
  /** Options of TLS as Node's `tls.connect` takes them, or `true`, default none unless the URL begins with `rediss://`. */
  readonly tls?: boolean | NonNullable<RedisOptions["tls"]> | undefined
  /** The name of the user, default that of the URL. */
  readonly username?: string | undefined
  /** The password, default that of the URL. */
  readonly password?: Redacted.Redacted | undefined
  /**
   * How long operations wait for a server that does not answer, a finite Duration above 0, default 10 seconds.
   *
   * After that they fail with `NotAvailable` (`"Unreachable"`) until the server answers.
   */
  readonly connectTimeout?: Duration.Input | undefined
}

/**
 * How the pools of a program connect to the server.
 *
 * @category models
 * @since 0.1.0
 */
export interface BullMqService {
  /** Makes a connection. The caller ends it. */
  readonly connect: () => Redis
  /** The beginning of all keys. */
  readonly prefix: string
  /** Milliseconds. */
  readonly connectTimeout: number
  /** The server and its database, without credentials. */
  readonly server: string
}

const known = ["url", "prefix", "tls", "username", "password", "connectTimeout"]

/**
 * The connection that the pools of this package use.
 *
 * **Example** (Connecting the pools of a program)
 *
 * ```ts
 * import { BullMq } from "@aio-task-pool/distributed/bullmq"
 *
 * export const connection = BullMq.layer({ url: "redis://localhost:6379", prefix: "shop" })
 * ```
 *
 * @category services
 * @since 0.1.0
 */
export class BullMq extends Context.Service<BullMq, BullMqService>()("@aio-task-pool/distributed/bullmq/BullMq") {
  /**
   * Provides the connection. It connects when a pool opens.
   *
   * **Details**
   *
   * Throws `RangeError` or `TypeError` if an option is not valid.
   */
  static layer(options: BullMqOptions): Layer.Layer<BullMq> {
    return Layer.succeed(BullMq, serviceOf("BullMq.layer", options))
  }

  /** Provides the connection like `layer`, with the options from `Config`. */
  static layerConfig(config: Config.Wrap<BullMqOptions>): Layer.Layer<BullMq, Config.ConfigError> {
    const where = "BullMq.layerConfig"
    return Layer.effect(
      BullMq,
      fromConfig(where, config, (options) => serviceOf(where, options))
    )
  }
}

const serviceOf = (where: string, options: BullMqOptions): BullMqService => {
  const {
    connectTimeout = "10 seconds",
    password,
    prefix = "aio",
    tls,
    url,
    username
  } = checkKnown(where, options, known)
  const millis = checkMillis(where, "connectTimeout", connectTimeout, "> 0")
  const { address, server } = checkUrl(where, Redacted.isRedacted(url) ? Redacted.value(url) : url)
  checkCredentials(where, username, password)
  if (tls !== undefined) checkTls(where, tls)
  return {
    connect: () =>
      new Redis(address, {
        ...(username === undefined ? {} : { username }),
        ...(password === undefined ? {} : { password: Redacted.value(password) }),
        ...(tls === undefined || tls === false ? {} : { tls: tls === true ? {} : tlsOf(tls) }),
        connectTimeout: timerMillis(millis),
        // BullMQ asks for it: its blocking commands wait for longer than any limit.
        maxRetriesPerRequest: null,
        // Without it, a command whose connection breaks is never answered. All commands here may run twice.
        autoResendUnfulfilledCommands: true,
        retryStrategy: (times) => Math.min(50 * 2 ** Math.min(times, 10), 1000)
      }),
    prefix: checkPrefix(where, prefix),
    connectTimeout: millis,
    server
  }
}

/** Node calls the user's check of the host where what it throws would end the process. What it returns is an error, too. */
const tlsOf = (tls: NonNullable<RedisOptions["tls"]>): NonNullable<RedisOptions["tls"]> => {
  const { checkServerIdentity: check } = tls
  if (check === undefined) return tls
  return {
    ...tls,
    checkServerIdentity: (host, certificate) =>
      Result.getOrElse(
        Result.try(() => check(host, certificate)),
        (error) => (isInstance(error, Error) ? error : new Error("checkServerIdentity threw", { cause: error }))
      )
  }
}
