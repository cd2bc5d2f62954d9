import { assert, it } from "@effect/vitest"
import { plot } from "../src/plot.ts"
import { provenance, type Report, table } from "../src/report.ts"

const environment = {
  date: "2026-01-02",
  machine: "linux x64, 2 cores",
  versions: { Node: "26.10.0", "p-limit": "7.3.3" },
  flags: ""
}

const report = (ratio: number): Report => ({
  submit: {
    title: "work",
    unit: "µs",
    ratios: {
      "p-limit": { ratio, low: ratio - 0.1, high: ratio + 0.1, ours: 4, theirs: 2, pairs: 9, target: { ratio: 2 } },
      fastq: { ratio: 0.05, low: 0.04, high: 0.06, ours: 1, theirs: 20, pairs: 9 }
    },
    environment
  },
  memory: {
    title: "heap",
    unit: "bytes",
    ratios: {
      "p-limit": { ratio: 0.25, low: 0.2, high: 0.3, ours: 200, theirs: 800, pairs: 9, target: { ours: 300 } }
    },
    environment
  }
})

it("a table of one run has a row for each comparison and says which targets are met", () => {
  assert.strictEqual(
    table([report(1.9)]),
    [
      "| benchmark | against |                  ratio |      ours |    theirs |        target |",
      "| --------- | ------- | ---------------------: | --------: | --------: | ------------: |",
      "| submit    | p-limit |    1.90 (1.80 to 2.00) |   4.00 µs |   2.00 µs |         ✓ ≤ 2 |",
      "| submit    | fastq   | 0.050 (0.040 to 0.060) |   1.00 µs |  20.00 µs |               |",
      "| memory    | p-limit |    0.25 (0.20 to 0.30) | 200 bytes | 800 bytes | ✓ ≤ 300 bytes |"
    ].join("\n")
  )
})

it("a table of several runs has a column for each, and a target is met when all runs meet it", () => {
  const cells = table([report(1.9), report(2.1)])
    .split("\n")
    .map((line) => line.split("|").map((cell) => cell.trim()))
  assert.deepStrictEqual(cells[0]!.slice(3, 5), ["run 1", "run 2"])
  assert.deepStrictEqual(cells[2]!.slice(3, 5), ["1.90 (1.80 to 2.00)", "2.10 (2.00 to 2.20)"])
  assert.strictEqual(cells[2]!.at(-2), "✗ ≤ 2")
})

it("each run says when, where and with what it was made", () => {
  assert.strictEqual(provenance([report(1)]), "- 2026-01-02: linux x64, 2 cores, Node 26.10.0, p-limit 7.3.3")
})

it("the plot shows every ratio, further to the right the larger it is", () => {
  const [first, second, third] = dotsOf(plot([report(1.9)]))
  assert.isTrue(second! < third! && third! < first!)
})

it("the plot shows a dot of every run beside the name and the median of each comparison", () => {
  const svg = plot([report(1.9), report(2.1), report(2.5)])
  assert.strictEqual(dotsOf(svg).length, 9)
  for (const text of ["submit", "memory", "fastq", "2.10", "0.050"]) assert.include(svg, `>${text}<`)
})

it("the plot keeps every dot, interval and target within its frame", () => {
  for (const svg of [plot([report(0.2)]), plot([report(0.2), report(180)])]) {
    const width = Number(/viewBox="0 0 ([0-9]+)/.exec(svg)![1])
    const places = [...svg.matchAll(/(?:cx|x1|x2)="(-?[0-9.]+)"/g)].map((match) => Number(match[1]))
    assert.isAtLeast(places.length, 10)
    assert.isTrue(places.every((x) => x >= 0 && x <= width))
  }
})

const dotsOf = (svg: string): ReadonlyArray<number> =>
  [...svg.matchAll(/<circle[^>]* cx="([0-9.]+)"/g)].map((match) => Number(match[1]))
