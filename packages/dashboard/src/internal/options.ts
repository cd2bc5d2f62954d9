/** Checks the options of the dashboard. */
import * as Duration from "effect/Duration"
import { format } from "effect/Formatter"
import * as Option from "effect/Option"
import type { Options } from "../DashboardOptions.ts"

/** The options with their defaults. */
export interface Checked {
  readonly actions: boolean
  readonly token: string | undefined
  readonly allowedHosts: ReadonlyArray<string>
  readonly hz: number
  /** In seconds. */
  readonly history: number
  readonly metrics: boolean
  readonly port: number
  readonly host: string | undefined
  readonly prefix: `/${string}` | undefined
}

type All = Options & {
  readonly port?: number | undefined
  readonly host?: string | undefined
  readonly prefix?: `/${string}` | undefined
}

const hostname = /^(?:[\w.-]+|\[[\da-f:.]+\])(?::\d+)?$/i

const known = ["actions", "token", "allowedHosts", "hz", "history", "metrics", "port", "host", "prefix"]

/** Returns the options with their defaults. Throws `RangeError` if one is unknown or out of range. */
export const checkOptions = (where: string, options: All, server: Pick<All, "port" | "host"> = {}): Checked => {
  const fail = (rule: string, got: unknown): never => {
    throw new RangeError(`${where}: ${rule}, got ${format(got)}`)
  }
  if (typeof options !== "object" || options === null) fail("options must be an object", options)
  for (const name of Object.keys(options)) {
    if (!known.includes(name)) fail(`the options are ${known.join(", ")}`, name)
  }
  const { actions = false, allowedHosts = [], host = server.host, hz = 4, metrics = true, prefix, token } = options
  const { history: past = "10 minutes", port = server.port ?? 0 } = options
  if (!Number.isInteger(port) || port < 0 || port > 65_535) fail("port must be an integer from 0 to 65535", port)
  if (host !== undefined && (typeof host !== "string" || host === "")) fail("host must be a name or an address", host)
  if (!(typeof hz === "number" && hz > 0 && hz <= 60)) fail("hz must be greater than 0 and at most 60", hz)
  if (typeof actions !== "boolean") fail("actions must be a boolean", actions)
  if (typeof metrics !== "boolean") fail("metrics must be a boolean", metrics)
  const length = Duration.fromInput(past)
  const history = Math.round(Duration.toSeconds(Option.getOrElse(length, () => Duration.zero)))
  if (!(history >= 60 && history <= 3600)) fail("history must be from a minute to an hour", past)
  if (token !== undefined && !(typeof token === "string" && /^[\w.~+/=-]+$/.test(token))) {
    throw new RangeError(`${where}: token must consist of the characters A-Z a-z 0-9 - . _ ~ + / =`)
  }
  if (!Array.isArray(allowedHosts)) fail("allowedHosts must be an array", allowedHosts)
  // An entry of another form is no value of `Host`, so it would allow nothing.
  const notHost = allowedHosts.findIndex((name) => typeof name !== "string" || !hostname.test(name))
  if (notHost >= 0) fail("allowedHosts must be like example.com or example.com:8080", allowedHosts[notHost])
  if (prefix !== undefined && !(typeof prefix === "string" && /^(?:\/[\w.~-]+)+$/.test(prefix)))
    fail("prefix must be like /pools", prefix)
  return { actions, token, allowedHosts, hz, history, metrics, port, host, prefix }
}
