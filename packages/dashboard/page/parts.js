// What both views show.
import { h } from "./preact.js"
import { count, duration, plural } from "./format.js"

/** @import { ExecutorRow, PoolRow, Warning } from "../src/Protocol.ts" */

/** @type {Readonly<Record<string, string>>} */
const holds = {
  User: "held by the program",
  RetryAfter: "held: the server asked to wait",
  Overload: "held after an overload",
  Policy: "held by the policy"
}

/** The state of a pool, in a word and a color. @param {{ state: string, holds: ReadonlyArray<string> }} props */
export const State = ({ holds: reasons, state }) =>
  h(
    "span",
    { class: `state ${state.toLowerCase()}`, title: reasons.map((reason) => holds[reason] ?? reason).join(", ") },
    state
  )

/** @param {{ warning: Warning, subject?: string }} props */
export const WarningText = ({ subject, warning }) =>
  h(
    "span",
    { class: "warning" },
    h("span", { class: "sign", "aria-hidden": "true" }, "!"),
    h("span", null, subject === undefined ? null : h("b", null, subject, " "), warning.message)
  )

/** How much of a limit is used; another color while tasks wait for more. @param {{ used: number, limit: number | null, tight: boolean }} props */
export const Bar = ({ limit, tight, used }) => {
  const share = limit === null ? 0 : limit === 0 ? (used > 0 ? 1 : 0) : Math.min(1, used / limit)
  return h("span", {
    class: tight && share >= 1 ? "bar full" : "bar",
    "aria-hidden": "true",
    // Only painted again: a child that changes its width or transform costs a hundred pools twice as much.
    style: { backgroundSize: `${Math.round(100 * share)}% 100%` }
  })
}

/** @param {PoolRow} row */
export const runningOf = ({ stats }) => `${count(stats.running)}/${count(stats.targetSize)}`

/** @param {{ executors: ReadonlyArray<ExecutorRow> }} props */
export const Executors = ({ executors }) =>
  executors.length === 0
    ? null
    : h(
        "section",
        { class: "card", "aria-label": "Executors" },
        h("h2", null, "Executor threads"),
        executors.map((executor) =>
          h(
            "div",
            { key: executor.id, class: "executor" },
            h(
              "p",
              null,
              h("b", null, executor.id),
              ` ${count(executor.running)} running, ${count(executor.waiting)} waiting, ` +
                `${count(executor.settled)} settled` +
                (executor.replaced > 0 ? `, ${plural(executor.replaced, "thread")} replaced` : "")
            ),
            executor.warnings.map((warning) => h("p", { key: warning.rule }, h(WarningText, { warning }))),
            h(
              "ul",
              { class: "threads" },
              executor.threads.map((thread) =>
                h(
                  "li",
                  { key: thread.id, class: thread.job === null ? thread.state : "running" },
                  h("span", { class: "thread" }, `#${thread.id}`),
                  thread.job === null ? thread.state : `${thread.job} ${duration(thread.ran)}`
                )
              )
            )
          )
        )
      )
