/** Returns a Markdown table, its header first: the first `leftAligned` columns are aligned left, the others right. */
export const markdownTable = (lines: ReadonlyArray<ReadonlyArray<string>>, leftAligned: number): string => {
  const widths = lines[0]!.map((_, column) => Math.max(3, ...lines.map((cells) => cells[column]!.length)))
  const pad = (cell: string, column: number) =>
    column < leftAligned ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!)
  const rule = widths.map((width, column) => (column < leftAligned ? "-".repeat(width) : "-".repeat(width - 1) + ":"))
  const [header, ...body] = lines.map((cells) => cells.map(pad))
  return [header!, rule, ...body].map((cells) => `| ${cells.join(" | ")} |`).join("\n")
}
