// One pool: its numbers, curves, decisions and tasks.
import { h } from "./preact.js"
import { Curve } from "./curves.js"
import { ago, count, duration, plural, rate } from "./format.js"
import { Bar, Executors, runningOf, State, WarningText } from "./parts.js"

/** @import { Frame, PoolDetail, PoolRow, TaskRow } from "../src/Protocol.ts" */

/** @param {{ label: string, value: string, more?: unknown }} props */
const Tile = ({ label, more, value }) =>
  h("div", { class: "tile" }, h("dt", null, label), h("dd", null, value, h("small", null, more ?? "")))

/** @param {{ row: PoolRow }} props */
const Tiles = ({ row }) => {
  const { queue, rates, run, stats } = row
  const waits = [
    stats.capacity === null ? "no limit" : `of ${count(stats.capacity)}`,
    ...(stats.delayed > 0 ? [`${count(stats.delayed)} delayed`] : []),
    ...(stats.atDoor > 0 ? [`${count(stats.atDoor)} at the door`] : [])
  ]
  const lent = stats.lent > 0 ? `${plural(stats.lent, "worker")} lent` : ""
  return h(
    "dl",
    { class: "tiles" },
    h(Tile, {
      label: "running",
      value: runningOf(row),
      more: [h(Bar, { used: stats.running, limit: stats.targetSize, tight: stats.waiting > 0 }), lent]
    }),
    h(Tile, { label: "waiting", value: count(stats.waiting), more: waits.join(", ") }),
    h(Tile, { label: "oldest wait", value: stats.waiting + stats.atDoor === 0 ? "–" : duration(row.oldestWait) }),
    h(Tile, { label: "queue time, p95", value: duration(queue.p95), more: `median ${duration(queue.p50)}` }),
    h(Tile, { label: "run time, p95", value: duration(run.p95), more: `median ${duration(run.p50)}` }),
    h(Tile, {
      label: "done",
      value: rate(rates.ended),
      more: `${count(stats.succeeded + stats.failed + stats.interrupted + stats.cancelled)} in all`
    }),
    h(Tile, { label: "failed", value: rate(rates.failed), more: `${count(stats.failed)} in all` }),
    h(Tile, {
      label: "rejected",
      value: rate(rates.rejected),
      more:
        Object.entries(stats.rejectedBy)
          .filter(([, times]) => times > 0)
          .map(([reason, times]) => `${reason} ${count(times)}`)
          .join(", ") || "0 in all"
    })
  )
}

/** @param {{ row: PoolRow }} props */
const RemoteTiles = ({ row }) => {
  const { remote, stats } = row
  const age = remote?.age ?? null
  return h(
    "dl",
    { class: "tiles" },
    age === null
      ? null
      : [
          h(Tile, { label: "running", value: runningOf(row) }),
          h(Tile, { label: "waiting", value: count(stats.waiting) }),
          h(Tile, { label: "delayed", value: count(stats.delayed) })
        ],
    h(Tile, { label: "last answer", value: age === null ? "–" : ago(age) })
  )
}

/** What is unusual about a task. @param {TaskRow} task */
const notesOf = ({ attempt, lent, state }) =>
  [
    state === "AtDoor" ? "at the door" : state === "Delayed" ? "delayed" : state === "Ending" ? "ending" : "",
    attempt > 1 ? `attempt ${attempt}` : "",
    lent ? "lends its workers" : ""
  ]
    .filter((note) => note !== "")
    .join(", ")

/** @param {{ tasks: ReadonlyArray<TaskRow>, omitted: number, title: string, empty: string, now: boolean }} props */
const Tasks = ({ empty, now, omitted, tasks, title }) => {
  const noted = tasks.some((task) => notesOf(task) !== "")
  return h(
    "section",
    { class: "card", "aria-label": title },
    h("h2", null, title),
    tasks.length === 0
      ? h("p", { class: "empty" }, empty)
      : h(
          "div",
          { class: "scroll", tabIndex: 0, role: "region", "aria-label": `${title}: list` },
          h(
            "table",
            null,
            h(
              "thead",
              null,
              h(
                "tr",
                null,
                h("th", { scope: "col" }, "task"),
                h("th", { scope: "col", class: "number" }, now ? "running for" : "waiting for"),
                h("th", { scope: "col", class: "number weight" }, "weight"),
                noted ? h("th", { scope: "col", class: "note" }, "note") : null
              )
            ),
            h(
              "tbody",
              null,
              tasks.map((task) =>
                h(
                  "tr",
                  { key: task.id },
                  h(
                    "td",
                    { title: task.spanId === null ? task.label : `${task.label}, span ${task.spanId}` },
                    task.label
                  ),
                  h("td", { class: "number" }, duration(now ? task.ran : task.waited)),
                  h("td", { class: "number weight" }, count(task.weight)),
                  noted ? h("td", { class: "note quiet" }, notesOf(task)) : null
                )
              )
            )
          )
        ),
    omitted > 0 ? h("p", { class: "quiet" }, `and ${count(omitted)} more`) : null
  )
}

/** @param {{ detail: PoolDetail, now: number }} props */
const Decisions = ({ detail, now }) =>
  detail.decisions.length === 0
    ? null
    : h(
        "section",
        { class: "card why", "aria-label": "Why this size" },
        h("h2", null, "Why this size"),
        h(
          "ol",
          { class: "scroll", tabIndex: 0, "aria-label": "Decisions, newest first" },
          detail.decisions.map(({ at, evidence, from, reason, sentence, times, to }) =>
            h(
              "li",
              { key: `${reason} ${at}`, class: from === to ? "kept" : "changed" },
              h("span", { class: "when quiet" }, ago(now - at)),
              h("span", { class: "size" }, from === to ? count(to) : `${count(from)} → ${count(to)}`),
              h("span", { class: `reason ${reason.toLowerCase()}` }, times > 1 ? `${reason} ×${times}` : reason),
              h("span", { class: "words" }, sentence, " ", h("small", { class: "quiet" }, evidence))
            )
          )
        )
      )

/** @param {{ detail: PoolDetail, now: number }} props */
const Events = ({ detail, now }) =>
  h(
    "section",
    { class: "card", "aria-label": "Events" },
    h("h2", null, "Events"),
    detail.events.length === 0
      ? h("p", { class: "empty" }, "Nothing has happened yet.")
      : h(
          "ol",
          { class: "events scroll", tabIndex: 0, "aria-label": "Events, newest first" },
          detail.events.map(({ at, text, times }, index) =>
            h(
              "li",
              { key: `${at} ${index}` },
              h("span", { class: "when quiet" }, ago(now - at)),
              text,
              times > 1 ? h("b", null, ` ×${count(times)}`) : null
            )
          )
        )
  )

/** @param {{ detail: PoolDetail }} props */
const Workers = ({ detail }) =>
  detail.workers.length === 0
    ? null
    : h(
        "section",
        { class: "card", "aria-label": "Workers" },
        h("h2", null, "Workers"),
        h(
          "ul",
          { class: "threads" },
          detail.workers.map(({ concurrency, host, pid, running }) =>
            h("li", { class: running > 0 ? "running" : "" }, `${host} ${pid}: ${running}/${concurrency}`)
          )
        )
      )

/**
 * @param {{
 *   row: PoolRow, allowed: boolean, note: string,
 *   act: (action: "pause" | "resume" | "resize", size?: number) => void
 * }} props
 */
const Actions = ({ act, allowed, note, row }) => {
  const size = row.stats.targetSize
  const button = (
    /** @type {string} */ text,
    /** @type {string} */ label,
    /** @type {boolean} */ enabled,
    /** @type {() => void} */ onClick
  ) => h("button", { type: "button", "aria-label": label, disabled: !allowed || !enabled, onClick }, text)
  return h(
    "div",
    { class: "actions" },
    row.stats.phase === "Paused"
      ? button("Resume", `Resume ${row.id}`, true, () => act("resume"))
      : button("Pause", `Pause ${row.id}`, row.stats.phase !== "Closed", () => act("pause")),
    button("−1", "−1 worker", size !== null && size > 0, () => act("resize", (size ?? 1) - 1)),
    button("+1", "+1 worker", size !== null, () => act("resize", (size ?? 0) + 1)),
    h("span", { class: "quiet", role: "status" }, allowed ? note : "The address with #token=… allows changes.")
  )
}

/**
 * @param {{
 *   row: PoolRow, detail: PoolDetail | undefined, frame: Frame, closed: boolean, scheme: string,
 *   series: Record<string, ReadonlyArray<number | null>> | undefined, seconds: number, history: number,
 *   onSeconds: (seconds: number) => void, actions: boolean, allowed: boolean, note: string,
 *   act: (action: "pause" | "resume" | "resize", size?: number) => void
 * }} props
 */
export const Pool = (props) => {
  const { act, actions, allowed, closed, detail, frame, history, note, onSeconds, row, scheme, seconds, series } = props
  const now = frame.at
  const spans = history > 60 ? [60, history] : [history]
  return h(
    "article",
    { class: closed ? "pool gone" : "pool", "aria-labelledby": "title" },
    h(
      "header",
      { class: "head" },
      h("a", { href: "#", class: "back" }, "← all pools"),
      h("h1", { id: "title", tabIndex: -1 }, row.id),
      h(State, { state: closed ? "Closed" : row.state, holds: row.stats.holds }),
      h("span", { class: "quiet kind" }, row.kind),
      actions && !closed && !row.distributed ? h(Actions, { act, allowed, note, row }) : null
    ),
    closed
      ? h("p", { class: "card notice" }, `${row.id} has closed. These are its last numbers.`)
      : row.warnings.map((warning) => h("p", { key: warning.rule, class: "card notice" }, h(WarningText, { warning }))),
    h(row.remote ? RemoteTiles : Tiles, { row }),
    series === undefined
      ? null
      : h(
          "section",
          { "aria-label": "Curves" },
          h(
            "div",
            { class: "spans", role: "group", "aria-label": "Time shown" },
            spans.map((span) =>
              h(
                "button",
                { key: span, type: "button", "aria-pressed": String(span === seconds), onClick: () => onSeconds(span) },
                span % 60 === 0 ? `${span / 60} min` : `${span} s`
              )
            )
          ),
          h(
            "div",
            { class: "curves", key: scheme },
            h(Curve, {
              title: "Tasks",
              lines: [
                { label: "running", color: "--running", fill: true },
                { label: "size", color: "--size", step: true },
                { label: "waiting", color: "--waiting", own: true }
              ],
              values: seriesOf(series, ["running", "size", "waiting"]),
              seconds,
              format: count,
              marks: detail?.decisions ?? [],
              now
            }),
            row.remote === undefined
              ? [
                  h(Curve, {
                    title: "Ended",
                    lines: [
                      { label: "done", color: "--done", fill: true },
                      { label: "failed, rejected", color: "--bad" }
                    ],
                    values: seriesOf(series, ["ended", "bad"]),
                    seconds,
                    format: rate,
                    now
                  }),
                  h(Curve, {
                    title: "Queue time",
                    lines: [{ label: "p95", color: "--waiting", fill: true }],
                    values: seriesOf(series, ["queue95"]),
                    seconds,
                    format: duration,
                    now
                  }),
                  h(Curve, {
                    title: "Run time",
                    lines: [
                      { label: "p95", color: "--running", fill: true },
                      { label: "median", color: "--done" }
                    ],
                    values: seriesOf(series, ["run95", "run50"]),
                    seconds,
                    format: duration,
                    now
                  })
                ]
              : null
          )
        ),
    detail === undefined
      ? null
      : row.remote === undefined
        ? h(
            "div",
            { class: "lists" },
            h(Decisions, { detail, now }),
            h(
              "div",
              { class: "column" },
              h(Tasks, {
                title: "Running, oldest first",
                empty: "No task is running.",
                tasks: detail.running,
                omitted: detail.omitted.running,
                now: true
              }),
              h(Events, { detail, now })
            ),
            h(
              "div",
              { class: "column" },
              h(Tasks, {
                title: "Next in the queue",
                empty: "No task is waiting.",
                tasks: detail.waiting,
                omitted: detail.omitted.waiting + detail.omitted.delayed + detail.omitted.door,
                now: false
              }),
              h(Workers, { detail }),
              h(Executors, { executors: frame.executors })
            )
          )
        : h(Workers, { detail })
  )
}

// The curves draw again only for new arrays, so a choice of series is made once for each state of the history.
/** @type {WeakMap<object, Map<string, ReadonlyArray<ReadonlyArray<number | null>>>>} */
const choices = new WeakMap()

/** @param {Record<string, ReadonlyArray<number | null>>} series @param {ReadonlyArray<string>} names */
const seriesOf = (series, names) => {
  let known = choices.get(series)
  if (known === undefined) choices.set(series, (known = new Map()))
  const key = names.join()
  let values = known.get(key)
  if (values === undefined) known.set(key, (values = names.map((name) => series[name] ?? [])))
  return values
}
