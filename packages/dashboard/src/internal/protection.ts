/**
 * Decides which requests the dashboard refuses.
 *
 * The dangers are other web pages that the same browser shows, and other machines. A page of another origin can send
 * requests to a loopback address, and a name that its owner points at 127.0.0.1 makes them look like requests of the
 * same origin (DNS rebinding). So `Host` must be a name that the dashboard knows, and `Origin` and `Sec-Fetch-Site`
 * must say that the request comes from the dashboard's own page. Other machines need the token.
 */
import { createHash, randomBytes, timingSafeEqual } from "node:crypto"

/** What a request must show. */
export interface Protection {
  /** The accepted values of `Host`, in lower case. */
  readonly hosts: ReadonlySet<string>
  /** The token; absent if nothing needs one. */
  readonly token: string | undefined
  /** Whether reading needs the token too. */
  readonly protectReads: boolean
  /** Whether pools can be paused, resumed and resized. */
  readonly actions: boolean
}

/** What a request asks for: a file of the page, the numbers of the pools, or a change. */
export type Access = "page" | "read" | "act"

export interface Refusal {
  readonly status: 401 | 403 | 404
  readonly message: string
}

type Headers = Readonly<Record<string, string | undefined>>

/** Returns whether a server that listens on this host accepts connections from the same machine only. */
export const isLoopback = (host: string): boolean =>
  host === "localhost" || host === "::1" || /^127(?:\.\d{1,3}){3}$/.test(host)

/** Returns the values of `Host` under which a server on this port may be addressed. */
export const hostsOf = (port: number, allowed: ReadonlyArray<string>): ReadonlySet<string> => {
  const hosts = ["localhost", "127.0.0.1", "[::1]"].map((name) => `${name}:${port}`)
  // A browser leaves out the port of its scheme.
  if (port === 80) hosts.push("localhost", "127.0.0.1", "[::1]")
  return new Set([...hosts, ...allowed.flatMap((name) => [name, `${name}:${port}`])].map((host) => host.toLowerCase()))
}

/** Returns a random token of 128 bits. */
export const randomToken = (): string => randomBytes(16).toString("base64url")

// Digests have one length, so the comparison tells nothing about the length of the token either.
const digest = (text: string): Buffer => createHash("sha256").update(text).digest()

const hasToken = (headers: Headers, token: string): boolean => {
  const sent = /^Bearer +(\S+)$/i.exec(headers["authorization"] ?? "")?.[1]
  return sent !== undefined && timingSafeEqual(digest(sent), digest(token))
}

/** Returns why a request is refused, or `undefined` if it is not. */
export const refusalOf = (protection: Protection, access: Access, headers: Headers): Refusal | undefined => {
  const host = headers["host"]?.toLowerCase()
  if (host === undefined || !protection.hosts.has(host)) {
    return {
      status: 403,
      message: `The host ${JSON.stringify(host ?? "")} is not allowed. Add it to allowedHosts if it is yours.`
    }
  }
  const origin = headers["origin"]?.toLowerCase()
  if (origin !== undefined && origin !== `http://${host}` && origin !== `https://${host}`) {
    return { status: 403, message: "Requests from other origins are not allowed." }
  }
  const site = headers["sec-fetch-site"]
  if (site !== undefined && site !== "same-origin" && site !== "none") {
    return { status: 403, message: "Requests from other sites are not allowed. Type the address into the browser." }
  }
  if (access === "act" && !protection.actions) {
    return { status: 404, message: "Actions are off. The option `actions: true` of the dashboard turns them on." }
  }
  const needsToken = access === "act" || (access === "read" && protection.protectReads)
  if (needsToken && (protection.token === undefined || !hasToken(headers, protection.token))) {
    return { status: 401, message: "The token is missing or wrong. Open the address that ends in #token=..." }
  }
  return undefined
}

/** The headers of every answer. */
export const headers = {
  "content-security-policy":
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; " +
    "frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'",
  "x-content-type-options": "nosniff",
  "cache-control": "no-store",
  "referrer-policy": "no-referrer",
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
  "x-frame-options": "DENY"
} as const
