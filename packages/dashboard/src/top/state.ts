/** What the terminal view knows, and how frames and keys change it. Pure. */
import type { Frame, Hello, PoolRow } from "../Protocol.ts"

/** The orders of the table, in the order in which `s` chooses them. */
export const sorts = ["trouble", "name", "running", "waiting", "done"] as const
export type Sort = (typeof sorts)[number]

/** Tasks that ended per second, at even distances. */
export interface Spark {
  readonly values: ReadonlyArray<number | null>
  /** When the last value began, in milliseconds since 1970. */
  readonly since: number
  /** The frames that the last value is the mean of. */
  readonly frames: number
}

export interface State {
  /** The address of the server, without its token. */
  readonly address: string
  /** Whether there is a token for actions. */
  readonly hasToken: boolean
  readonly connection: "connecting" | "live" | "lost"
  readonly hello: Hello | undefined
  readonly frame: Frame | undefined
  readonly sparks: ReadonlyMap<string, Spark>
  /** The ID of the pool whose details are shown. */
  readonly selected: string | undefined
  /** Whether the details take the whole screen. */
  readonly isZoomed: boolean
  readonly sort: Sort
  readonly filter: string
  /** Whether keys go into the filter. */
  readonly isTyping: boolean
  /** A message below the table, until the next key. */
  readonly note: string
}

export const initial = (address: string, hasToken: boolean): State => ({
  address,
  hasToken,
  connection: "connecting",
  hello: undefined,
  frame: undefined,
  sparks: new Map(),
  selected: undefined,
  isZoomed: false,
  sort: "trouble",
  filter: "",
  isTyping: false,
  note: ""
})

// Waits count by their magnitude only, so that the order does not follow each of them.
const trouble = ({ oldestWait, warnings }: PoolRow): number =>
  (warnings.length > 0 ? 1000 : 0) + (oldestWait < 100 ? 0 : Math.floor(Math.log(oldestWait) / Math.log(4)))

const byName = (a: PoolRow, b: PoolRow): number => (a.id < b.id ? -1 : a.id > b.id ? 1 : 0)

const orders: Record<Sort, (row: PoolRow) => number> = {
  trouble,
  name: () => 0,
  running: ({ stats }) => stats.running,
  waiting: ({ stats }) => stats.waiting,
  done: ({ rates }) => Math.floor(rates.ended)
}

/** The pools that the filter selects, in the chosen order. */
export const visible = ({ filter, frame, sort }: Pick<State, "filter" | "frame" | "sort">): ReadonlyArray<PoolRow> => {
  const wanted = filter.toLowerCase()
  const order = orders[sort]
  return (frame?.pools ?? [])
    .filter(({ id }) => id.toLowerCase().includes(wanted))
    .toSorted((a, b) => order(b) - order(a) || byName(a, b))
}

/** Selects a pool that is visible, if there is one. */
const reselect = (state: State): State => {
  const rows = visible(state)
  return rows.some(({ id }) => id === state.selected) ? state : { ...state, selected: rows[0]?.id }
}

export const onHello = (state: State, hello: Hello): State => ({
  ...state,
  hello,
  sparks: new Map(Object.entries(hello.sparks).map(([id, values]) => [id, { values, since: hello.at, frames: 0 }]))
})

export const onFrame = (state: State, frame: Frame): State => {
  const step = (1000 * (state.hello?.history ?? 600)) / most
  const sparks = new Map(
    frame.pools.map(({ id, rates }) => [id, addTo(state.sparks.get(id), rates.ended, frame.at, step)] as const)
  )
  // The note said why the connection was lost.
  const note = state.connection === "lost" ? "" : state.note
  return reselect({ ...state, connection: "live", frame, sparks, note })
}

/** The values of a spark. */
const most = 60

const addTo = (spark: Spark | undefined, value: number, at: number, step: number): Spark => {
  if (spark === undefined) return { values: [value], since: at, frames: 1 }
  const { frames, since, values } = spark
  if (frames === 0 || at - since >= step) return { values: [...values, value].slice(-most), since: at, frames: 1 }
  const mean = ((values.at(-1) ?? 0) * frames + value) / (frames + 1)
  return { values: [...values.slice(0, -1), mean], since, frames: frames + 1 }
}

/** A key, as Node reports it. */
export interface Key {
  readonly name?: string | undefined
  readonly sequence?: string | undefined
  readonly ctrl?: boolean | undefined
  readonly meta?: boolean | undefined
}

/** What a key asks of the program. */
export type Command =
  | { readonly _tag: "Quit" }
  | { readonly _tag: "Act"; readonly action: "pause" | "resume"; readonly id: string }

export const onKey = (before: State, key: Key): readonly [State, Command?] => {
  const state = { ...before, note: "" }
  if (key.ctrl === true && (key.name === "c" || key.name === "d")) return [state, { _tag: "Quit" }]
  if (state.isTyping) return [onTyped(state, key)]
  switch (key.name ?? key.sequence) {
    case "up":
    case "k":
      return [move(state, -1)]
    case "down":
    case "j":
      return [move(state, 1)]
    case "home":
      return [move(state, -Infinity)]
    case "end":
      return [move(state, Infinity)]
    case "return":
    case "enter":
      return [{ ...state, isZoomed: !state.isZoomed && state.selected !== undefined }]
    case "escape":
      return [state.isZoomed ? { ...state, isZoomed: false } : reselect({ ...state, filter: "" })]
    case "s":
      return [{ ...state, sort: sorts[(sorts.indexOf(state.sort) + 1) % sorts.length]! }]
    case "p":
      return pause(state)
    case "q":
      return [state, { _tag: "Quit" }]
    default:
      return [key.sequence === "/" ? { ...state, isTyping: true, isZoomed: false } : state]
  }
}

const onTyped = (state: State, key: Key): State => {
  const { filter } = state
  if (key.name === "return" || key.name === "enter") return { ...state, isTyping: false }
  if (key.name === "escape") return reselect({ ...state, isTyping: false, filter: "" })
  if (key.name === "backspace") return reselect({ ...state, filter: Array.from(filter).slice(0, -1).join("") })
  const { sequence = "" } = key
  const isText = key.ctrl !== true && key.meta !== true && sequence !== "" && !/[\p{Cc}]/u.test(sequence)
  return isText ? reselect({ ...state, filter: filter + sequence }) : state
}

const move = (state: State, by: number): State => {
  const rows = visible(state)
  if (rows.length === 0) return state
  const place = rows.findIndex(({ id }) => id === state.selected)
  return { ...state, selected: rows[Math.max(0, Math.min(rows.length - 1, place + by))]!.id }
}

const pause = (state: State): readonly [State, Command?] => {
  const row = state.frame?.pools.find(({ id }) => id === state.selected)
  if (row === undefined) return [state]
  if (row.distributed === true) {
    return [{ ...state, note: `${row.id} is a distributed pool, which cannot be paused from here` }]
  }
  if (!state.hasToken) {
    return [{ ...state, note: "p needs the token: start with the whole address that the program logs, with #token=" }]
  }
  if (state.hello?.actions === false) {
    return [{ ...state, note: "the program allows no actions: give Dashboard.layer actions: true" }]
  }
  return [state, { _tag: "Act", action: row.stats.phase === "Paused" ? "resume" : "pause", id: row.id }]
}
