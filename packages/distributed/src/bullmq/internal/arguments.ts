/** The checks of the connection's arguments. Messages never contain a URL, which may have a password. */
import { isRedacted } from "effect/Redacted"

/** Checks the beginning of all keys. A colon in it would make two pools share keys. */
export const checkPrefix = (where: string, value: string): string => {
  if (typeof value === "string" && /^[A-Za-z0-9._{}-]{1,64}$/.test(value)) return value
  throw new RangeError(`${where}: prefix must be 1 to 64 characters of A-Z a-z 0-9 . _ - { }`)
}

/** Checks the address of the server. Returns it, and what names the database without credentials. */
export const checkUrl = (where: string, value: string): { readonly address: string; readonly server: string } => {
  const url = typeof value === "string" && URL.canParse(value) ? new URL(value) : undefined
  if (url !== undefined && (url.protocol === "redis:" || url.protocol === "rediss:") && url.hostname !== "") {
    const database = Number.parseInt(url.pathname.slice(1) || url.searchParams.get("db") || "0", 10)
    return { address: value, server: `${url.hostname.toLowerCase()}:${url.port || "6379"}/${database}` }
  }
  throw new RangeError(`${where}: url must begin with redis:// or rediss:// and name a host`)
}

/** Checks the user's name and password. A plain string would be printed with the options. */
export const checkCredentials = (where: string, username: unknown, password: unknown): void => {
  if (username !== undefined && typeof username !== "string") {
    throw new TypeError(`${where}: username must be a string`)
  }
  if (password !== undefined && !isRedacted(password)) {
    throw new TypeError(`${where}: password must be Redacted, such as Redacted.make(password)`)
  }
}

/** Checks the options of TLS. */
export const checkTls = (where: string, value: unknown): void => {
  if (typeof value === "boolean" || (typeof value === "object" && value !== null)) return
  throw new TypeError(`${where}: tls must be a boolean, or an object of options`)
}
