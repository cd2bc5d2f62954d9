/** The checks of the connection's arguments. Messages never contain a URL, which may have a password. */

/** Checks the beginning of all keys. A colon in it would make two pools share keys. */
export const checkPrefix = (where: string, value: string): string => {
  if (typeof value === "string" && /^[A-Za-z0-9._{}-]{1,64}$/.test(value)) return value
  throw new RangeError(`${where}: prefix must be 1 to 64 characters of A-Z a-z 0-9 . _ - { }`)
}

/** Checks the address of the server. Returns it, and what names the server without its credentials. */
export const checkUrl = (where: string, value: string): { readonly address: string; readonly server: string } => {
  const url = typeof value === "string" && URL.canParse(value) ? new URL(value) : undefined
  if (url !== undefined && (url.protocol === "redis:" || url.protocol === "rediss:") && url.hostname !== "") {
    return { address: value, server: `${url.hostname}:${url.port === "" ? "6379" : url.port}${url.pathname}` }
  }
  throw new RangeError(`${where}: url must begin with redis:// or rediss:// and name a host`)
}
