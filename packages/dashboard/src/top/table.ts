/** The table of pools as text, as many columns as fit. */
import type { PoolRow } from "../Protocol.ts"
import { clean, duration, fit, limit, rate, shrink, sparkline, widthOf } from "./text.ts"

interface Column {
  readonly title: string
  readonly align: "left" | "right"
  readonly text: (row: PoolRow) => string
}

const column = (title: string, text: (row: PoolRow) => string, align: "left" | "right" = "right"): Column => ({
  title,
  align,
  text
})

/** Whether the broker of a distributed pool has never answered. */
const isSilent = ({ remote }: PoolRow): boolean => remote?.age === null

const columns = {
  pool: column("pool", ({ id }) => clean(id), "left"),
  state: column("state", (row) => `${row.warnings.length > 0 ? "! " : ""}${clean(row.state)}`, "left"),
  running: column("running", (row) => (isSilent(row) ? "-" : `${row.stats.running}/${limit(row.stats.size)}`)),
  waiting: column("waiting", (row) => {
    const { atDoor, delayed, waiting } = row.stats
    return isSilent(row) ? "-" : `${waiting + delayed + atDoor}`
  }),
  oldest: column("oldest", ({ oldestWait, remote, stats }) =>
    remote !== undefined || stats.waiting + stats.atDoor === 0 ? "-" : duration(oldestWait)
  ),
  queue: column("queue p95", ({ queue }) => duration(queue.p95)),
  run: column("run p95", ({ run }) => duration(run.p95)),
  done: column("done", ({ rates, remote }) => (remote === undefined ? rate(rates.ended) : "-")),
  bad: column("bad", ({ rates, remote }) => (remote === undefined ? rate(rates.failed + rates.rejected) : "-"))
} satisfies Record<string, Column>

type Name = keyof typeof columns
const names = Object.keys(columns) as ReadonlyArray<Name>

/** What a narrow terminal lacks, first to last. */
const expendable: ReadonlyArray<Name> = ["run", "queue", "done", "bad", "state", "waiting", "oldest", "running"]

const gap = "  "
const most = { pool: 32, spark: 40 }
const least = { pool: 8, spark: 8 }

/** The table's header and rows, each at most `width` columns wide. `sparkOf` returns the values of a pool's curve. */
export const table = (
  rows: ReadonlyArray<PoolRow>,
  width: number,
  sparkOf?: { readonly title: string; readonly values: (row: PoolRow) => ReadonlyArray<number | null> }
): { readonly header: string; readonly rows: ReadonlyArray<string> } => {
  const texts = new Map(names.map((name) => [name, rows.map(columns[name].text)] as const))
  const widest = (name: Name, bound = Infinity): number =>
    Math.min(bound, Math.max(widthOf(columns[name].title), ...texts.get(name)!.map(widthOf)))
  const needed = (shown: ReadonlyArray<Name>, pool: number): number =>
    shown.reduce((sum, name) => sum + (name === "pool" ? pool : gap.length + widest(name)), 0)

  let shown = names
  const full = widest("pool", most.pool)
  const narrow = Math.min(full, least.pool)
  for (const name of expendable) {
    if (needed(shown, narrow) <= width) break
    shown = shown.filter((other) => other !== name)
  }
  const pool = Math.max(1, Math.min(full, width - needed(shown, 0)))
  const left = width - needed(shown, pool) - gap.length
  const spark = sparkOf !== undefined && left >= least.spark ? Math.min(most.spark, left) : 0

  const line = (textOf: (name: Name) => string, last: string): string =>
    [...shown.map((name) => fit(textOf(name), name === "pool" ? pool : widest(name), columns[name].align)), last]
      .join(gap)
      .trimEnd()
  return {
    header: line((name) => columns[name].title, spark === 0 ? "" : fit(sparkOf!.title, spark)),
    rows: rows.map((row, index) =>
      line((name) => texts.get(name)![index]!, spark === 0 ? "" : sparkline(shrink(sparkOf!.values(row), spark)))
    )
  }
}
