/**
 * The options of the dashboard.
 *
 * @since 0.1.0
 */
import type * as Duration from "effect/Duration"

/**
 * Options of the dashboard.
 *
 * @category options
 * @since 0.1.0
 */
export interface Options {
  /** Whether the page can pause, resume and resize pools, default `false`. */
  readonly actions?: boolean | undefined
  /**
   * The token that a request must send as `Authorization: Bearer <token>`.
   *
   * If the server accepts connections from other machines, everything but the files of the page needs it, and the layer
   * fails to build without it. On the loopback address only actions need it, default a random one that is logged. It is
   * needed for reading there too if there are no actions, or with `allowedHosts`.
   */
  readonly token?: string | undefined
  /**
   * Further names under which the dashboard may be opened, each with or without its port, default none. `localhost`,
   * `127.0.0.1` and `[::1]` are always allowed.
   */
  readonly allowedHosts?: ReadonlyArray<string> | undefined
  /** How often an open page gets new numbers, per second, default 4, at most 60. */
  readonly hz?: number | undefined
  /** How much of the past the curves show, a Duration from a minute to an hour, default 10 minutes. A pool needs 32 bytes a second. */
  readonly history?: Duration.Input | undefined
  /** Whether `/metrics` answers with the metrics of the program in Prometheus' format, default `true`. */
  readonly metrics?: boolean | undefined
}

/**
 * Options of `Dashboard.layer`.
 *
 * @category options
 * @since 0.1.0
 */
export interface ServerOptions extends Options {
  /** The port, default 4980; 0 for any free one. */
  readonly port?: number | undefined
  /** The address to listen at, default `127.0.0.1`. */
  readonly host?: string | undefined
}

/**
 * Options of `Dashboard.routes`.
 *
 * @category options
 * @since 0.1.0
 */
export interface RoutesOptions extends Options {
  /** The path below which the routes are, such as `/pools`, default none. */
  readonly prefix?: `/${string}` | undefined
}
