/** The screen of the terminal view: pure functions from the state to lines. */
import { styleText } from "node:util"
import type { DecisionRow, ExecutorRow, PoolDetail, PoolRow, TaskRow } from "../Protocol.ts"
import { type State, visible } from "./state.ts"
import { table } from "./table.ts"
import { clean, duration, fit, limit, truncate, widthOf } from "./text.ts"

type Style = "bold" | "dim" | "red" | "yellow" | "green" | "inverse"

/** Applies a style, or nothing if the terminal shows no colors. */
export type Paint = (style: Style, text: string) => string

/** Returns how to paint. */
export const painter =
  (hasColors: boolean): Paint =>
  (style, text) =>
    hasColors && text !== "" ? styleText(style, text, { validateStream: false }) : text

const plural = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? "" : "s"}`

/** Returns at most `rows` lines, each at most `columns` wide. */
export const view = (state: State, columns: number, rows: number, paint: Paint): ReadonlyArray<string> => {
  const shown = visible(state)
  const place = shown.findIndex(({ id }) => id === state.selected)
  const selected = shown[place]
  const title = titleLine(state, columns, paint)
  const help = helpLine(state, columns, paint)
  const body = rows - 2
  if (body < 1) return [title].slice(0, rows)

  const isZoomed = state.isZoomed && selected !== undefined
  const listed = isZoomed ? [selected] : shown
  // The header has a line too. The other half is for the selected pool.
  const most = Math.min(listed.length, Math.max(1, Math.ceil((body - 1) / 2)))
  const first = isZoomed ? 0 : Math.max(0, place - most + 1)
  const page = listed.slice(first, first + most)
  const { header, rows: lines } = table(page, columns - 2, {
    title: sparkTitle(state),
    values: ({ id }) => state.sparks.get(id)?.values ?? []
  })
  const list = page.map((row, index) => rowLine(row, lines[index]!, row === selected, columns, paint))
  const hidden = listed.length - page.length
  const more = hidden > 0 ? [paint("dim", truncate(`  and ${hidden} more`, columns))] : []
  const empty = shown.length > 0 ? [] : [paint("dim", truncate(`  ${emptyText(state)}`, columns))]
  const above = [paint("bold", truncate(`  ${header}`, columns)), ...list, ...more, ...empty].slice(0, body)
  const below = selected === undefined ? [] : details(state, selected, columns, body - above.length, paint)
  const filling = Array.from({ length: Math.max(0, body - above.length - below.length) }, () => "")
  return [title, ...above, ...below, ...filling, help]
}

const emptyText = ({ filter, frame }: State): string => {
  if (frame === undefined) return "waiting for the first frame"
  return filter === "" ? "no pool is open" : `no pool matches "${clean(filter)}"`
}

const titleLine = (state: State, columns: number, paint: Paint): string => {
  const { address, connection, frame } = state
  const parts = [`Task pools  ${clean(address)}`]
  if (frame !== undefined) parts.push(plural(frame.pools.length, "pool"), `loop ${Math.round(100 * frame.loop)} % busy`)
  const right = connection === "live" ? "live" : connection === "lost" ? "connection lost, trying again" : "connecting"
  const left = fit(parts.join("  "), Math.max(0, columns - widthOf(right) - 2))
  const line = truncate(`${left}  ${right}`, columns)
  return connection === "lost" ? paint("red", line) : paint("bold", line)
}

const helpLine = (state: State, columns: number, paint: Paint): string => {
  if (state.note !== "") return paint("yellow", truncate(clean(state.note), columns))
  if (state.isTyping) return truncate(`filter: ${clean(state.filter)}_  enter keeps it, escape clears it`, columns)
  const keys = [
    "up down select",
    state.isZoomed ? "enter all pools" : "enter details",
    `s sort: ${state.sort}`,
    state.filter === "" ? "/ filter" : `/ filter: ${clean(state.filter)}`,
    ...(state.hasToken && state.hello?.actions !== false ? ["p pause"] : []),
    "q quit"
  ]
  return paint("dim", truncate(keys.join("  "), columns))
}

const sparkTitle = ({ hello }: State): string => `done, ${duration(1000 * (hello?.history ?? 600))}`

const rowLine = (row: PoolRow, text: string, isSelected: boolean, columns: number, paint: Paint): string => {
  const line = truncate(`${isSelected ? ">" : " "} ${text}`, columns)
  if (isSelected) return paint("inverse", fit(line, columns))
  return row.warnings.length > 0 ? paint("yellow", line) : line
}

/** The warnings, decisions and tasks of the selected pool, and the executors. */
const details = (
  { frame, isZoomed }: State,
  row: PoolRow,
  columns: number,
  rows: number,
  paint: Paint
): ReadonlyArray<string> => {
  const pool = frame?.pool?.id === row.id ? frame.pool : undefined
  const cut = (line: string): string => truncate(line, columns)
  const warnings = [...row.warnings, ...(frame?.warnings ?? [])].map(({ message }) =>
    paint("yellow", cut(`! ${clean(message)}`))
  )
  const head = [
    "",
    paint(
      "bold",
      cut(`${clean(row.id)}  ${clean(row.kind)}  ${row.remote === undefined ? totals(row) : lastAnswer(row.remote)}`)
    ),
    ...warnings.slice(0, isZoomed ? 10 : 2)
  ].slice(0, Math.max(0, rows))
  const left = rows - head.length
  if (left <= 0 || pool === undefined) return head
  const executors = (frame?.executors ?? []).map((executor) => cut(executorLine(executor))).slice(0, isZoomed ? 4 : 1)
  const room = Math.max(0, left - executors.length)
  const list = <A>(
    heading: string,
    items: ReadonlyArray<A>,
    omitted: number,
    rows: number,
    line: (item: A) => string
  ) =>
    section(heading, items, omitted, rows, line).map((line, index) =>
      index === 0 ? paint("dim", cut(line)) : cut(line)
    )
  const decisions = list("why", pool.decisions, 0, Math.ceil(room / 3), (decision) => decisionLine(decision, frame!.at))
  const lineOf = (task: TaskRow): string => taskLine(task, columns)
  const runningRoom = Math.ceil((room - decisions.length) / 2)
  const running = list("running, oldest first", pool.running, pool.omitted.running, runningRoom, lineOf)
  const omitted = pool.omitted.waiting + pool.omitted.delayed + pool.omitted.door
  const waitingRoom = room - decisions.length - running.length
  const waiting = list("next in the queue", pool.waiting, omitted, waitingRoom, lineOf)
  const lists = [...decisions, ...running, ...waiting, ...workersOf(pool).map(cut)].slice(0, room)
  return [...head, ...lists, ...executors]
}

const totals = ({ stats }: PoolRow): string =>
  `${limit(stats.targetSize)} workers, capacity ${limit(stats.capacity)}, ` +
  `${stats.submitted} submitted, ${stats.failed} failed, ${stats.rejected} rejected`

const lastAnswer = ({ age }: NonNullable<PoolRow["remote"]>): string =>
  age === null ? "its broker has not answered yet" : `its broker answered ${ago(age)} ago`

/** A heading and as many lines as fit below it. */
const section = <A>(
  heading: string,
  items: ReadonlyArray<A>,
  omitted: number,
  rows: number,
  line: (item: A) => string
): ReadonlyArray<string> => {
  if (items.length === 0 || rows < 2) return []
  const shown = items.slice(0, rows - 1)
  const more = items.length - shown.length + omitted
  return [more > 0 ? `${heading}, and ${more} more` : heading, ...shown.map(line)]
}

const ago = (millis: number): string =>
  millis < 10_000 ? `${(Math.max(0, millis) / 1000).toFixed(1)} s` : duration(millis)

const decisionLine = (row: DecisionRow, now: number): string => {
  const { at, from, times, to } = row
  const change = from === to ? limit(to) : `${limit(from)}→${limit(to)}`
  const repeated = times > 1 ? ` x${times}` : ""
  const texts = [`${ago(now - at)} ago`.padStart(12), `${change} ${clean(row.reason)}${repeated}`.padEnd(14)]
  return [...texts, clean(row.sentence), clean(row.evidence)].filter((text) => text !== "").join("  ")
}

const states: Partial<Record<TaskRow["state"], string>> = {
  AtDoor: "at the door",
  Delayed: "delayed",
  Ending: "ending"
}

const taskLine = (task: TaskRow, columns: number): string => {
  const { attempt, lent, ran, waited, weight } = task
  const notes = [
    states[task.state] ?? "",
    lent ? "lends its worker" : "",
    attempt > 1 ? `attempt ${attempt}` : "",
    `weight ${weight}`
  ].filter((text) => text !== "")
  const age = ran === null ? `waits ${duration(waited)}` : `runs ${duration(ran)}`
  const label = Math.max(8, Math.min(40, columns - 40))
  return `  ${fit(clean(task.label), label)}  ${age.padStart(12)}  ${notes.join(", ")}`
}

const workersOf = ({ workers }: PoolDetail): ReadonlyArray<string> =>
  workers.map(({ concurrency, host, pid, running }) => `  ${clean(host)} ${pid}  ${running}/${concurrency} running`)

const executorLine = ({ id, replaced, running, threads, waiting, warnings }: ExecutorRow): string =>
  `executor ${clean(id)}  ${plural(threads.length, "thread")}, ${running} running, ${waiting} waiting` +
  `${replaced > 0 ? `, ${replaced} replaced` : ""}${warnings.map(({ message }) => `  ! ${clean(message)}`).join("")}`
