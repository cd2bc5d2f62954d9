// Reads the stream of the server, and reads it again when it breaks.

/** @import { Frame, Hello } from "../src/Protocol.ts" */

/**
 * The state of the connection: `live`; `lost` while it tries again; `token` if the token is missing or wrong; `busy` if
 * too many pages are open; `refused` if the server does not know the name in the address bar.
 * @typedef {"connecting" | "live" | "lost" | "token" | "busy" | "refused"} Link
 */

const tokenKey = "aio-task-pool.token"

/**
 * Returns the pool of the address, if it names one. Moves a token from the address, which people share and browsers keep,
 * to this tab's own storage. A `+` stands for itself, not for a space: a token may contain it.
 */
export const readAddress = () => {
  const fields = new URLSearchParams(location.hash.slice(1).replaceAll("+", "%2B"))
  const pool = fields.get("pool") ?? undefined
  const token = fields.get("token")
  if (token !== null) {
    sessionStorage.setItem(tokenKey, token)
    history.replaceState(null, "", pool === undefined ? location.pathname : `#pool=${encodeURIComponent(pool)}`)
  }
  return pool
}

/** Whether this tab has a token. */
export const hasToken = () => sessionStorage.getItem(tokenKey) !== null

/** @param {string} path @param {RequestInit} [init] */
export const request = (path, init = {}) => {
  const token = sessionStorage.getItem(tokenKey)
  const headers = new Headers(init.headers)
  if (token !== null) headers.set("authorization", `Bearer ${token}`)
  return fetch(path, { ...init, headers })
}

/** Calls `onEvent` for each event of a stream, until it ends. @param {Response} response @param {(type: string, data: any) => void} onEvent */
const readEvents = async (response, onEvent) => {
  const reader = /** @type {ReadableStream<Uint8Array>} */ (response.body).getReader()
  const decoder = new TextDecoder()
  let buffer = ""
  for (;;) {
    const { done, value } = await reader.read()
    if (done) return
    buffer += decoder.decode(value, { stream: true })
    const events = buffer.split("\n\n")
    buffer = /** @type {string} */ (events.pop())
    for (const event of events) {
      let type = "message"
      let data = ""
      for (const line of event.split("\n")) {
        if (line.startsWith("event: ")) type = line.slice(7)
        else if (line.startsWith("data: ")) data += line.slice(6)
      }
      if (data !== "") onEvent(type, JSON.parse(data))
    }
  }
}

/** @type {Readonly<Record<number, Link>>} */
const links = { 401: "token", 403: "refused", 503: "busy" }

/**
 * Keeps a stream open until it is closed. A server that is gone is asked again after one second, later every five.
 * @param {string | undefined} pool
 * @param {{ onHello: (hello: Hello) => void, onFrame: (frame: Frame) => void, onLink: (link: Link) => void }} on
 * @returns {() => void} closes the stream
 */
export const connect = (pool, { onFrame, onHello, onLink }) => {
  let closed = false
  let failures = 0
  /** @type {AbortController} */
  let abort
  /** @type {ReturnType<typeof setTimeout>} */
  let timer

  const open = async () => {
    abort = new AbortController()
    // A tunnel that breaks leaves a stream that never ends.
    let patience = 10_000
    const watch = () => {
      clearTimeout(timer)
      timer = setTimeout(() => abort.abort(), patience)
    }
    watch()
    /** @type {Link} */
    let link = "lost"
    try {
      const query = pool === undefined ? "" : `?pool=${encodeURIComponent(pool)}`
      const response = await request(`api/v1/live${query}`, { signal: abort.signal })
      if (response.ok) {
        await readEvents(response, (type, data) => {
          if (closed) return
          if (type === "hello") patience = 10_000 + 3000 / data.hz
          watch()
          failures = 0
          if (type === "hello") onHello(data)
          else if (type === "message") onFrame(data)
          onLink("live")
        })
      } else link = links[response.status] ?? "lost"
    } catch {
      // The server is gone, or the stream was aborted: both are tried again below.
    }
    clearTimeout(timer)
    if (closed) return
    onLink(link)
    timer = setTimeout(open, failures++ < 5 ? 1000 : 5000)
  }
  void open()
  return () => {
    closed = true
    clearTimeout(timer)
    abort.abort()
  }
}
