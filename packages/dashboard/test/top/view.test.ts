import { assert, describe, it } from "@effect/vitest"
import stringWidth from "string-width"
import { initial, onFrame, onHello, onKey, type State } from "../../src/top/state.ts"
import { table } from "../../src/top/table.ts"
import { duration, rate, shrink, sparkline } from "../../src/top/text.ts"
import { painter, view } from "../../src/top/view.ts"
import { detail, frame, hello, row, stats, task } from "./frames.ts"

const pools = [
  row("mail", {
    oldestWait: 1900,
    stats: stats({ running: 3, size: 3, waiting: 40 }),
    queue: { p50: 100, p95: 640 },
    rates: { ended: 11, failed: 1, rejected: 10 },
    warnings: [{ rule: "rejecting", message: "mail rejects 10/s: its queue (40) is full." }]
  }),
  row("fetch", { stats: stats({ running: 21, size: 21, waiting: 1 }) }),
  row("db", { stats: stats({ size: null, running: 0, waiting: 0 }), queue: { p50: null, p95: null } })
]

const stateOf = (changes: Parameters<typeof frame>[1] = {}): State =>
  onFrame(
    onHello(initial("http://127.0.0.1:4980", false), hello({ sparks: { fetch: [null, 1, 4, 8] } })),
    frame(pools, changes)
  )

const show = (state: State, columns = 100, rows = 24): ReadonlyArray<string> =>
  view(state, columns, rows, painter(false)).map((line) => line.trimEnd())

describe("numbers of top", () => {
  it("have two digits and their unit", () => {
    assert.deepStrictEqual([null, 0, 4, 640, 1900, 59_000, 180_000, 7_200_000].map(duration), [
      "-",
      "0 ms",
      "4 ms",
      "640 ms",
      "1.9 s",
      "59 s",
      "3 min",
      "2 h"
    ])
    assert.deepStrictEqual([0, 0.05, 1.25, 384.6].map(rate), ["0/s", "<0.1/s", "1.3/s", "385/s"])
  })

  it("a sparkline goes from 0 to its maximum, with gaps", () => {
    assert.strictEqual(sparkline([null, 0, 1, 4, 8]), " ▁▂▅█")
    assert.strictEqual(sparkline([0, 0]), "▁▁")
    assert.deepStrictEqual(shrink([1, 3, 5, null, null, 7], 3), [2, 5, 7])
  })
})

describe("the view of top", () => {
  it("is a table, with the details of the selected pool below", () => {
    const state = stateOf({ pool: detail("mail") })
    const lines = show(state)
    assert.deepStrictEqual(lines.slice(0, 8), [
      "Task pools  http://127.0.0.1:4980  3 pools  loop 12 % busy                                      live",
      "  pool   state   running  waiting  oldest  queue p95  run p95   done   bad  done, 10 min",
      "> mail   ! Open      3/3       40   1.9 s     640 ms    64 ms   11/s  11/s  █",
      "  db     Open        0/∞        0       -          -    64 ms  385/s   0/s  █",
      "  fetch  Open      21/21        1    4 ms      10 ms    64 ms  385/s   0/s   ▁▁▁█",
      "",
      "mail  AioFixedTaskPoolSimple  8 workers, capacity ∞, 100 submitted, 5 failed, 0 rejected",
      "! mail rejects 10/s: its queue (40) is full."
    ])
    const text = show(state, 120).join("\n")
    assert.match(text, /0\.3 s ago {2}20→21 GROW +there is demand and run time has not risen {2}p = 0\.03/)
    assert.match(text, /1\.8 s ago {2}20 HOLD x6 +no evidence for a change/)
    assert.match(
      text,
      /running, oldest first\n {2}GET \/users +runs 1\.2 s {2}weight 4\n {2}GET \/orders.*lends its worker/
    )
    assert.match(text, /next in the queue, and 7 more\n {2}GET \/prices +waits 80 ms {2}weight 1/)
    assert.strictEqual(lines.at(-1), "up down select  enter details  s sort: trouble  / filter  q quit")
  })

  it("fits every size of a terminal", () => {
    const many = Array.from({ length: 100 }, (_, i) => row(`pool ${i} 日本語`, { warnings: pools[0]!.warnings }))
    const state = { ...stateOf(), frame: frame(many, { pool: detail("pool 0 日本語") }), selected: "pool 0 日本語" }
    for (const shown of [state, { ...state, isZoomed: true }, stateOf(), onFrame(state, frame([]))]) {
      for (let columns = 1; columns <= 140; columns += 7) {
        for (let rows = 1; rows <= 40; rows += 6) {
          const lines = view(shown, columns, rows, painter(false))
          assert.strictEqual(lines.length, rows)
          for (const line of lines) assert.isAtMost(stringWidth(line), columns, line)
        }
      }
    }
  })

  it("scrolls to the selected pool, and says how many it does not show", () => {
    const many = Array.from({ length: 100 }, (_, i) => row(`pool${String(i).padStart(2, "0")}`))
    let state = onFrame(stateOf(), frame(many))
    assert.include(show(state).join("\n"), "and 89 more")
    for (let i = 0; i < 50; i++) state = onKey(state, { name: "down" })[0]
    assert.isTrue(show(state).some((line) => line.startsWith("> pool50")))
  })

  it("a zoomed pool has the screen to itself", () => {
    const state = onKey(stateOf({ pool: detail("mail") }), { name: "return" })[0]
    const lines = show(state)
    assert.isFalse(lines.some((line) => line.includes("fetch")))
    assert.match(lines.at(-1)!, /enter all pools/)
  })

  it("a narrow terminal shows the columns that matter most", () => {
    const { header, rows } = table(pools, 40)
    assert.strictEqual(header, "pool   state   running  waiting  oldest")
    assert.isAtMost(Math.max(...rows.map((line) => stringWidth(line))), 40)
  })

  it("escape sequences and bidirectional characters in labels do not reach the terminal", () => {
    const evil = "a\u001B]0;owned\u0007\u001B[2J\u009B31m\nb\u202Ec"
    const state = onFrame(
      stateOf(),
      frame([row(evil, { kind: evil, state: evil, warnings: [{ rule: evil, message: evil }] })], {
        pool: detail(evil, {
          running: [task(1, evil)],
          decisions: [{ ...detail("").decisions[0]!, reason: evil, sentence: evil, evidence: evil }],
          workers: [{ host: evil, pid: 1, concurrency: 1, running: 1 }]
        }),
        executors: [
          {
            id: evil,
            name: evil,
            running: 0,
            waiting: 0,
            settled: 0,
            replaced: 1,
            threads: [],
            warnings: [{ rule: evil, message: evil }]
          }
        ],
        warnings: [{ rule: evil, message: evil }]
      })
    )
    const text =
      show({ ...state, note: evil, filter: "" }, 200, 60).join("") +
      show({ ...state, isTyping: true, filter: evil }, 200, 60).join("")
    assert.notMatch(text, /[\p{Cc}\u202E]/u)
    assert.include(text, "a]0;owned[2J31mbc")
  })

  it("colors are extra: without them every state stands in words", () => {
    const state = stateOf({ pool: detail("mail") })
    // oxlint-disable-next-line no-control-regex
    const plain = view(state, 100, 24, painter(true)).map((line) => line.replaceAll(/\u001B\[\d+m/g, ""))
    assert.deepStrictEqual(
      plain.map((line) => line.trimEnd()),
      show(state)
    )
    assert.match(show({ ...state, connection: "lost" })[0]!, /connection lost, trying again$/)
  })

  it("says why the table is empty", () => {
    assert.include(show(onFrame(stateOf(), frame([]))).join("\n"), "no pool is open")
    assert.include(show({ ...stateOf(), filter: "zzz", selected: undefined }).join("\n"), 'no pool matches "zzz"')
  })
})

it("a distributed pool shows what is known of it, and the age of its broker's last answer", () => {
  const remote = (id: string, age: number | null) =>
    row(id, { kind: "Queue", state: age === null ? "Unknown" : "Open", remote: { age } })
  const workers = [{ host: "web-1", pid: 41, concurrency: 4, running: 3 }]
  const none = { running: [], waiting: [], decisions: [], omitted: { running: 0, waiting: 0, delayed: 0, door: 0 } }
  const times = { p50: null, p95: null }
  const pools = [remote("far", 2400), remote("silent", null)].map((row) => ({ ...row, queue: times, run: times }))
  const begun = onFrame(initial("http://127.0.0.1:4980", false), frame(pools))
  const state = onFrame({ ...begun, selected: "far" }, frame(pools, { pool: detail("far", { ...none, workers }) }))
  const text = show(state, 120).join("\n")
  assert.match(text, /far +Open +3\/8 +2 +-/)
  assert.match(text, /silent +Unknown +- +- +-/)
  assert.match(text, /far {2}Queue {2}its broker answered 2\.4 s ago/)
  assert.match(text, /web-1 41 {2}3\/4 running/)
  assert.notMatch(text, /submitted|385/)
})
