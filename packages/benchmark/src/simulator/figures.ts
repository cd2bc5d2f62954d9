/**
 * The figures of the families in the guide's table "Which servers it suits". They come from docs/autoscale/families.md,
 * so that the guide never says something else.
 */
import { markdownTable } from "../markdown.ts"

/** The figures of a family: the cells of its row in families.md. */
export interface Figures {
  readonly goodput: string
  readonly p10: string
  readonly failures: string
  readonly overDrive: string
}

/** Returns the figures of each family on the seeds that were held out. */
export const figuresOf = (families: string): ReadonlyMap<string, Figures> => {
  const [, section = ""] = families.split(/^## Held out.*$/m)
  const rows = section.split(/^## /m)[0]!.matchAll(/^\| (\w+): (.*) \|$/gm)
  return new Map(
    Array.from(rows, ([, id, row]) => {
      const [, goodput, p10, , failures, overDrive] = cellsOf(row!)
      return [id!, { goodput: goodput!, p10: p10!, failures: failures!, overDrive: overDrive! }]
    })
  )
}

/** The verdict on a family. */
export type Verdict = "good" | "usable" | "weak"

/** Returns the verdict on a family: the limits are those that the guide names above its table. */
export const verdictOf = ({ failures, goodput, overDrive }: Figures): Verdict => {
  const within = (least: number, share: number, over: number): boolean =>
    Number(goodput) >= least && Number.parseFloat(failures) <= share && Number(overDrive) <= over
  return within(0.93, 1, 1) ? "good" : within(0.8, 2, 2) ? "usable" : "weak"
}

const cellsOf = (row: string): ReadonlyArray<string> => row.split("|").map((cell) => cell.trim())

/** The row of a family in the guide: its first cell links to the family's picture. */
const row = /^\| (\[[^\]]+\]\(\.\.\/autoscale\/servers\.md#(\w+)\)) +\|(.*)\|$/

/** Returns the guide with these figures in its table. */
export const withFigures = (guide: string, figures: ReadonlyMap<string, Figures>): string => {
  const lines = guide.split("\n")
  const first = lines.findIndex((line) => row.test(line))
  const count = lines.slice(first).findIndex((line) => !row.test(line))
  const rows = lines.slice(first, first + count).map((line) => {
    const [, link, id, rest] = row.exec(line)!
    const own = figures.get(id!)
    if (own === undefined) throw new Error(`families.md has no row ${id}`)
    return [link!, verdictOf(own), own.goodput, own.p10, own.failures, own.overDrive, cellsOf(rest!).at(-1)!]
  })
  const header = ["the server …", "adaptive is", "goodput", "worst tenth", "failures", "over-drive", "what to do"]
  return lines.toSpliced(first - 2, count + 2, markdownTable([header, ...rows], header.length)).join("\n")
}

/** Returns the families that the guide's table has, in its order. */
export const rowsOf = (guide: string): ReadonlyArray<string> =>
  guide.split("\n").flatMap((line) => row.exec(line)?.[2] ?? [])
