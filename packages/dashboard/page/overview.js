// All pools: a table that is calm enough to read, with the pools in trouble first.
import { h } from "./preact.js"
import { count, duration, rate } from "./format.js"
import { Bar, Executors, runningOf, State, WarningText } from "./parts.js"

/** @import { Frame, PoolRow } from "../src/Protocol.ts" */
/** @import { VNode } from "./preact.js" */

const most = 100

const columns = ["pool", "state", "running", "waiting", "oldest", "queue p95", "run p95", "done", "bad"]

/** The address of a pool's view. @param {string} id */
export const hrefOf = (id) => `#pool=${encodeURIComponent(id)}`

/** Higher for pools that need a look. Waits count by their size only, so that the order does not follow each of them. @param {PoolRow} row */
const trouble = (row) =>
  (row.warnings.length > 0 ? 1000 : 0) + (row.oldestWait < 100 ? 0 : Math.floor(Math.log(row.oldestWait) / Math.log(4)))

/**
 * The order of the rows. It is made again every three seconds, and held while the pointer or the keyboard is on
 * the table: rows that jump cannot be hit.
 */
export class Order {
  held = false
  /** @type {Array<string>} */
  ids = []
  /** Pools whose warnings have a line of their own. @type {Set<string>} */
  warned = new Set()
  /** The last row of each pool, also of pools that closed while the order was held. @type {Map<string, PoolRow>} */
  rows = new Map()
  madeAt = 0

  /** @param {Frame} frame */
  update(frame) {
    const open = new Map(frame.pools.map((row) => [row.id, row]))
    for (const [id, row] of open) this.rows.set(id, row)
    const known = new Set(this.ids)
    const isNew = frame.pools.some((row) => !known.has(row.id))
    const isStale = this.ids.length > open.size || frame.at - this.madeAt > 3000 || frame.at < this.madeAt
    if (this.held) {
      for (const { id } of frame.pools) if (!known.has(id)) this.ids.push(id)
    } else if (isNew || isStale) {
      this.madeAt = frame.at
      for (const id of this.rows.keys()) if (!open.has(id)) this.rows.delete(id)
      this.ids = [...frame.pools]
        .sort((a, b) => trouble(b) - trouble(a) || (a.id < b.id ? -1 : a.id > b.id ? 1 : 0))
        .map(({ id }) => id)
      this.warned = new Set(frame.pools.filter(({ warnings }) => warnings.length > 0).map(({ id }) => id))
    }
    this.open = open
  }

  /** @type {Map<string, PoolRow>} */
  open = new Map()
}

/** A curve without axes, over the whole history. @param {ReadonlyArray<number | null>} values */
const sparkPath = (values) => {
  const max = Math.max(1e-9, ...values.map((value) => value ?? 0))
  let path = ""
  values.forEach((value, index) => {
    if (value === null) return
    path += `${path === "" ? "M" : "L"}${index} ${(20 - (18 * value) / max).toFixed(1)}`
  })
  return path
}

/** @type {Map<ReadonlyArray<number | null>, VNode>} */
let sparks = new Map()

/** @param {ReadonlyArray<number | null>} values */
const Spark = (values) => {
  let spark = sparks.get(values)
  if (spark === undefined) {
    spark = h(
      "svg",
      { class: "spark", viewBox: `0 0 ${values.length - 1} 21`, preserveAspectRatio: "none", "aria-hidden": "true" },
      h("path", { class: "base", d: `M0 20.5H${values.length}` }),
      h("path", { d: sparkPath(values) })
    )
    sparks.set(values, spark)
    // Curves that were replaced by newer ones.
    if (sparks.size > 500) sparks = new Map()
  }
  return spark
}

/** @type {Map<string, { text: string, values: unknown, node: VNode }>} */
const cache = new Map()

/** A row. One that shows the same as before is the same node, which preact skips. @param {PoolRow} row @param {ReadonlyArray<number | null>} values @param {boolean} closed @param {string} span */
const Row = (row, values, closed, span) => {
  const { rates, remote, stats } = row
  const bad = rates.failed + rates.rejected
  const isUnknown = remote?.age === null
  const cells = [
    isUnknown ? "–" : runningOf(row),
    isUnknown ? "–" : count(stats.waiting + stats.delayed + stats.atDoor),
    remote !== undefined || stats.waiting + stats.atDoor === 0 ? "–" : duration(row.oldestWait),
    duration(row.queue.p95),
    duration(row.run.p95),
    remote === undefined ? rate(rates.ended) : "–",
    remote === undefined ? rate(bad) : "–"
  ]
  const state = closed ? "Closed" : row.state
  const text = [state, ...stats.holds, ...cells, row.warnings.length, span].join("|")
  const cached = cache.get(row.id)
  if (cached !== undefined && cached.text === text && cached.values === values) return cached.node
  const node = h(
    "div",
    { role: "row", class: `row ${closed ? "gone" : ""}` },
    h(
      "div",
      { role: "cell", class: "name" },
      row.warnings.length > 0 ? h("span", { class: "sign", title: "has a warning" }, "!") : null,
      h("a", { href: hrefOf(row.id), title: row.id }, row.id)
    ),
    h("div", { role: "cell", class: "wide" }, h(State, { state, holds: stats.holds })),
    h(
      "div",
      { role: "cell", class: "usage" },
      h(Bar, { used: stats.running, limit: stats.targetSize, tight: stats.waiting > 0 }),
      cells[0]
    ),
    h("div", { role: "cell" }, cells[1]),
    h("div", { role: "cell" }, cells[2]),
    h("div", { role: "cell", class: "wide" }, cells[3]),
    h("div", { role: "cell", class: "wide" }, cells[4]),
    h("div", { role: "cell", class: "wide" }, cells[5]),
    h("div", { role: "cell", class: bad > 0 ? "wide bad" : "wide" }, cells[6]),
    h("div", { role: "cell", class: "wide" }, Spark(values))
  )
  cache.set(row.id, { text, values, node })
  return node
}

/**
 * @param {{
 *   frame: Frame, order: Order, filter: string, sparkOf: (id: string) => ReadonlyArray<number | null>, span: string,
 *   onFilter: (filter: string) => void
 * }} props
 */
export const Overview = ({ filter, frame, onFilter, order, span, sparkOf }) => {
  if (cache.size > 4 * order.rows.size + most) cache.clear()
  const words = filter.toLowerCase().trim()
  const found = order.ids.filter((id) => id.toLowerCase().includes(words))
  const shown = found.slice(0, most)
  const hold = (/** @type {boolean} */ held) => () => {
    order.held = held
  }
  return h(
    "div",
    null,
    frame.warnings?.map((warning) => h("p", { key: warning.rule, class: "card notice" }, h(WarningText, { warning }))),
    h(
      "section",
      { class: "card pools", "aria-label": "Pools" },
      h(
        "div",
        { class: "tools" },
        h("input", {
          type: "search",
          id: "filter",
          placeholder: "Filter by name",
          "aria-label": "Filter by name",
          value: filter,
          onInput: (/** @type {InputEvent} */ event) => onFilter(/** @type {HTMLInputElement} */ (event.target).value)
        }),
        h("span", { class: "quiet hint" }, order.held ? "order held while you look" : "pools in trouble first")
      ),
      shown.length === 0
        ? h(
            "p",
            { class: "empty" },
            frame.pools.length === 0
              ? "No pool is open. Pools appear here as soon as the program makes them."
              : `No pool's name contains “${filter}”.`
          )
        : h(
            "div",
            {
              role: "table",
              class: "table",
              "aria-label": "Pools, those in trouble first",
              onPointerEnter: hold(true),
              onPointerLeave: hold(false),
              onFocusIn: hold(true),
              onFocusOut: hold(false)
            },
            h(
              "div",
              { role: "row", class: "row titles" },
              columns.map((name, index) =>
                h(
                  "div",
                  {
                    key: name,
                    role: "columnheader",
                    class: index === 1 || index > 4 ? "wide" : "",
                    title: name === "bad" ? "failed or rejected" : ""
                  },
                  name
                )
              ),
              h("div", { role: "columnheader", class: "wide" }, `done, ${span}`)
            ),
            shown.map((id) => {
              const row = /** @type {PoolRow} */ (order.rows.get(id))
              return h(
                "div",
                { key: id, role: "rowgroup", class: "entry" },
                Row(row, sparkOf(id), !order.open.has(id), span),
                order.warned.has(id) && row.warnings.length > 0
                  ? h(
                      "div",
                      { role: "row", class: "more" },
                      h(
                        "div",
                        { role: "cell" },
                        row.warnings.map((warning) => h("p", { key: warning.rule }, warning.message))
                      )
                    )
                  : null
              )
            })
          ),
      found.length > most ? h("p", { class: "quiet" }, `and ${count(found.length - most)} more: filter by name`) : null
    ),
    h(Executors, { executors: frame.executors })
  )
}
