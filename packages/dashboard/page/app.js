// The page: holds what is known, and shows it again for each frame.
import { h, render } from "./preact.js"
import { connect, hasToken, readAddress, request } from "./connection.js"
import { ago, duration, plural } from "./format.js"
import { hrefOf, Order, Overview } from "./overview.js"
import { Pool } from "./pool.js"

/** @import { Frame, Hello, PoolDetail, PoolRow } from "../src/Protocol.ts" */
/** @import { Link } from "./connection.js" */

/** @typedef {(number | null)[]} Values */

const state = {
  link: /** @type {Link} */ ("connecting"),
  hello: /** @type {Hello | undefined} */ (undefined),
  frame: /** @type {Frame | undefined} */ (undefined),
  frozen: false,
  filter: "",
  /** The pool that is shown alone. */
  pool: /** @type {string | undefined} */ (undefined),
  /** What is known of it, also after it closed. */
  row: /** @type {PoolRow | undefined} */ (undefined),
  detail: /** @type {PoolDetail | undefined} */ (undefined),
  series: /** @type {Record<string, Values> | undefined} */ (undefined),
  /** When the last value of the series was taken. */
  sampledAt: 0,
  /** How much of the past the curves show, and whether the reader has chosen it. */
  seconds: 600,
  chosen: false,
  note: ""
}

const order = new Order()

// The curves of the overview: 60 means over the whole history.
const sparks = {
  steps: 60,
  width: 10_000,
  begun: 0,
  known: /** @type {Map<string, Values>} */ (new Map()),
  sums: /** @type {Map<string, { sum: number, times: number }>} */ (new Map())
}
const noSpark = /** @type {Values} */ (Array.from({ length: sparks.steps }, () => null))

/** @param {Frame} frame */
const addToSparks = (frame) => {
  for (const { id, rates } of frame.pools) {
    const mean = sparks.sums.get(id) ?? { sum: 0, times: 0 }
    mean.sum += rates.ended
    mean.times++
    sparks.sums.set(id, mean)
  }
  if (frame.at - sparks.begun < sparks.width) return
  sparks.begun = frame.at
  const known = /** @type {Map<string, Values>} */ (new Map())
  for (const { id } of frame.pools) {
    const { sum, times } = sparks.sums.get(id) ?? { sum: 0, times: 0 }
    known.set(id, [...(sparks.known.get(id) ?? noSpark).slice(1), times === 0 ? null : sum / times])
  }
  sparks.known = known
  sparks.sums.clear()
}

/** Adds one value a second to the series of the pool shown. @param {PoolRow} row @param {number} at */
const addToSeries = (row, at) => {
  if (state.series === undefined || state.hello === undefined || at - state.sampledAt < 1000) return
  const { queue, rates, run, stats } = row
  /** @type {Record<string, number | null>} */
  const sample = {
    size: stats.targetSize,
    running: stats.running,
    waiting: stats.waiting + stats.delayed,
    ended: rates.ended,
    bad: rates.failed + rates.rejected,
    queue95: queue.p95,
    run50: run.p50,
    run95: run.p95
  }
  const missing = Math.min(state.hello.history, Math.floor((at - state.sampledAt) / 1000))
  state.sampledAt = missing === 1 ? state.sampledAt + 1000 : at
  const { history } = state.hello
  state.series = Object.fromEntries(
    Object.entries(state.series).map(([name, values]) => [
      name,
      [...values, ...Array.from({ length: missing }, () => sample[name] ?? null)].slice(-history)
    ])
  )
}

/** The lists are renewed once a second. They could not be read if they changed more often. */
let listedAt = 0

/** @param {Frame} frame */
const onFrame = (frame) => {
  addToSparks(frame)
  const row = frame.pools.find(({ id }) => id === state.pool)
  if (row !== undefined) addToSeries(row, frame.at)
  if (state.frozen) return
  state.frame = frame
  order.update(frame)
  if (row !== undefined) state.row = row
  if (frame.pool !== undefined && (Math.abs(frame.at - listedAt) >= 990 || state.detail === undefined)) {
    listedAt = frame.at
    state.detail = frame.pool
  }
  show()
}

/** @param {Hello} hello */
const onHello = (hello) => {
  state.hello = hello
  // A program that has just begun has no ten minutes to show.
  const known = hello.series?.size.length ?? hello.history
  if (!state.chosen) state.seconds = known < 120 ? 60 : hello.history
  state.sampledAt = hello.at
  state.series =
    hello.series === undefined
      ? undefined
      : Object.fromEntries(Object.entries(hello.series).map(([name, values]) => [name, [...values]]))
  sparks.width = (1000 * hello.history) / sparks.steps
  sparks.begun = hello.at
  sparks.sums.clear()
  sparks.known = new Map(Object.entries(hello.sparks).map(([id, values]) => [id, [...values]]))
}

let close = () => {}

const follow = () => {
  close()
  close = document.hidden
    ? () => {}
    : connect(state.pool, {
        onFrame,
        onHello,
        onLink: (link) => {
          if (link === state.link) return
          state.link = link
          show()
        }
      })
}

/** @param {"pause" | "resume" | "resize"} action @param {number} [size] */
const act = async (action, size) => {
  const { pool } = state
  if (pool === undefined) return
  state.note = "…"
  show()
  try {
    const response = await request(`api/v1/pools/${encodeURIComponent(pool)}/${action}`, {
      method: "POST",
      ...(size === undefined ? {} : { body: JSON.stringify({ size }), headers: { "content-type": "application/json" } })
    })
    state.note = response.ok ? "" : await response.text()
    if (response.ok && state.row !== undefined) state.row = { ...state.row, stats: await response.json() }
  } catch {
    state.note = "The program does not answer."
  }
  show()
}

/** @type {Readonly<Record<Link, string>>} */
const links = {
  connecting: "connecting…",
  live: "live",
  lost: "the program does not answer, trying again…",
  token: "the token is missing or wrong",
  busy: "too many pages are open, trying again…",
  refused: "this address is not allowed"
}

/** @type {Partial<Record<Link, string>>} */
const advice = {
  token: "Open the whole address that the program logged when it started. It ends in #token=…",
  refused: "The dashboard does not know the name in the address bar. Add it to the option allowedHosts.",
  busy: "The dashboard serves 16 pages at once. Close one of the others."
}

const toggleFrozen = () => {
  state.frozen = !state.frozen
  show()
}

/** @param {string} filter */
const onFilter = (filter) => {
  state.filter = filter
  show()
}

/** @param {number} seconds */
const onSeconds = (seconds) => {
  Object.assign(state, { seconds, chosen: true })
  show()
}

const dark = matchMedia("(prefers-color-scheme: dark)")
dark.addEventListener("change", () => show())

const Header = () => {
  const { frame, frozen, link } = state
  const word =
    frozen && link === "live" ? `frozen ${frame === undefined ? "" : ago(Date.now() - frame.at)}` : links[link]
  return h(
    "header",
    { class: "top" },
    h(state.pool === undefined ? "h1" : "div", { class: "brand" }, h("a", { href: "#" }, "Task pools")),
    h("span", { class: `link ${frozen && link === "live" ? "frozen" : link}`, role: "status" }, word),
    frame === undefined
      ? null
      : h(
          "span",
          { class: "quiet sum" },
          `${plural(frame.pools.length, "pool")} · `,
          h("span", { class: frame.loop > 0.9 ? "bad" : "" }, `event loop ${Math.round(100 * frame.loop)} % busy`)
        ),
    h("button", { type: "button", class: "freeze", "aria-pressed": String(frozen), onClick: toggleFrozen }, "Freeze")
  )
}

const Main = () => {
  const { frame, hello, link, pool } = state
  if (frame === undefined || hello === undefined) {
    return h("p", { class: "card notice" }, advice[link] ?? links[link])
  }
  const span = duration(1000 * hello.history)
  if (pool === undefined) {
    return h(Overview, {
      frame,
      order,
      span,
      filter: state.filter,
      onFilter,
      sparkOf: (id) => sparks.known.get(id) ?? noSpark
    })
  }
  const { row } = state
  if (row === undefined) {
    return h("p", { class: "card notice" }, `There is no pool ${pool}. `, h("a", { href: "#" }, "See all pools"))
  }
  return h(Pool, {
    row,
    frame,
    detail: state.detail,
    closed: !frame.pools.some(({ id }) => id === pool),
    series: state.series,
    seconds: state.seconds,
    history: hello.history,
    onSeconds,
    actions: hello.actions,
    allowed: hasToken(),
    note: state.note,
    act,
    scheme: dark.matches ? "dark" : "light"
  })
}

const App = () =>
  h(
    "div",
    { class: state.link === "live" || state.frame === undefined ? "page" : "page stale" },
    h(Header, null),
    h(
      "main",
      null,
      state.frame !== undefined && advice[state.link] !== undefined
        ? h("p", { class: "card notice" }, advice[state.link])
        : null,
      h(Main, null)
    ),
    h(
      "footer",
      { class: "quiet" },
      h("kbd", null, "↑"),
      " ",
      h("kbd", null, "↓"),
      " choose ",
      h("kbd", null, "Enter"),
      " open ",
      h("kbd", null, "Esc"),
      " back ",
      h("kbd", null, "/"),
      " filter ",
      h("kbd", null, "f"),
      " freeze"
    )
  )

/** How often the page was shown, for measurements. */
export let shown = 0
let asked = false

/** Shows the state at the next frame of the screen. */
const show = () => {
  if (asked) return
  asked = true
  requestAnimationFrame(() => {
    asked = false
    shown++
    const warned = state.frame?.pools.filter(({ warnings }) => warnings.length > 0).length ?? 0
    const title = state.pool ?? "Task pools"
    document.title = warned > 0 ? `(${warned}) ${title}` : title
    render(h(App, null), document.body)
  })
}

const onHash = () => {
  const pool = readAddress()
  const before = state.pool
  if (pool === before && state.link !== "connecting" && state.link !== "token") return
  Object.assign(state, {
    pool,
    row: state.frame?.pools.find(({ id }) => id === pool),
    detail: undefined,
    series: undefined,
    note: ""
  })
  listedAt = 0
  follow()
  show()
  // After the view is there.
  requestAnimationFrame(() =>
    requestAnimationFrame(() => {
      if (pool !== undefined) document.getElementById("title")?.focus({ preventScroll: true })
      else if (before !== undefined) linkOf(before)?.focus()
      if (pool !== undefined) scrollTo(0, 0)
    })
  )
}

/** @returns {Array<HTMLElement>} */
const rowLinks = () => [...document.querySelectorAll(".table .name a")].filter((link) => link instanceof HTMLElement)

/** @param {string} id */
const linkOf = (id) => rowLinks().find((link) => link.getAttribute("href") === hrefOf(id))

/** @param {KeyboardEvent} event */
const onKey = (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return
  const { target } = event
  const typing = target instanceof HTMLInputElement
  if (event.key === "Escape") {
    if (typing) {
      onFilter("")
      target.blur()
    } else if (state.pool !== undefined) location.hash = ""
    return
  }
  if (event.key === "ArrowDown" || event.key === "ArrowUp") {
    const links = rowLinks()
    const place = links.indexOf(/** @type {HTMLElement} */ (document.activeElement))
    // Lists that scroll keep their arrow keys.
    if (links.length === 0 || (place < 0 && target instanceof HTMLElement && target.closest(".scroll, .marks"))) return
    event.preventDefault()
    const next = event.key === "ArrowDown" ? Math.min(place + 1, links.length - 1) : Math.max(place - 1, 0)
    links[next]?.focus()
    return
  }
  if (typing) return
  if (event.key === "/") {
    event.preventDefault()
    document.getElementById("filter")?.focus()
  } else if (event.key === "f") toggleFrozen()
}

addEventListener("hashchange", onHash)
addEventListener("keydown", onKey)
document.addEventListener("visibilitychange", follow)
onHash()
// Shows how old a frozen page is.
setInterval(() => {
  if (state.frozen) show()
}, 1000)
