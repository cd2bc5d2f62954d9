import { assert, describe, it } from "@effect/vitest"
import { Rejected, WrongBody } from "../src/demo/client.ts"
import { conclusion, notes, percentile, problems, type Result, table } from "../src/demo/report.ts"
import type { Answer } from "../src/demo/stopwatch.ts"

const rejected = new Rejected({ path: "a.ts", status: 503 })
const wrong = new WrongBody({ path: "a.ts", bytes: 3 })

/** Answers of 10, 20, 30, ... ms, one for each error or success. */
const answers = (...errors: ReadonlyArray<Answer["error"]>): ReadonlyArray<Answer> =>
  errors.map((error, index) => ({ group: undefined, latency: 10 * (index + 1), place: index + 1, error }))

const atOnce: Result = {
  name: "at-once",
  title: "everything at once",
  seconds: 0.5,
  largestSize: 4,
  answers: answers(rejected, undefined, rejected, rejected)
}

const fixed: Result = {
  name: "fixed",
  title: "fixed pool",
  seconds: 2,
  largestSize: 2,
  answers: answers(undefined, undefined, undefined, undefined)
}

const priority: Result = {
  name: "priority",
  title: "priority pool",
  seconds: 2,
  largestSize: 2,
  answers: answers(undefined, undefined, undefined, undefined).map((answer) => ({
    ...answer,
    group: answer.place <= 2 ? "urgent" : "others"
  }))
}

const limited = new Rejected({ path: "a.ts", status: 429, retryAfter: 1 })
const apiFixed: Result = {
  ...fixed,
  name: "api-fixed",
  title: "fixed pool, API limit",
  answers: answers(limited, undefined)
}
const apiRate: Result = {
  ...fixed,
  name: "api-rate",
  title: "rate pool, API limit",
  answers: answers(undefined, undefined)
}

describe("report", () => {
  it("a percentile is the nearest rank", () => {
    const values = [5, 1, 4, 2, 3, 6, 7, 8, 10, 9]
    assert.deepStrictEqual(
      [0, 0.5, 0.9, 0.99, 1].map((p) => percentile(values, p)),
      [1, 5, 9, 10, 10]
    )
    assert.isUndefined(percentile([], 0.5))
  })

  it("the table counts latency and speed over the requests that succeeded", () => {
    assert.strictEqual(
      table([atOnce, fixed, priority]),
      [
        "way                 requests  failures  seconds  good/s  p50 ms  p99 ms  largest size",
        "everything at once         4         3      0.5       2      20      20             4",
        "fixed pool                 4         0      2.0       2      20      40             2",
        "priority pool              4         0      2.0       2      20      40             2",
        "  urgent                   2         0                       10      20",
        "  others                   2         0                       30      40"
      ].join("\n")
    )
  })

  it("a way that lost everything has no latency", () => {
    const lost = { ...atOnce, answers: answers(rejected) }
    assert.match(table([lost]), /everything at once +1 +1 +0\.5 +0 +- +- +4$/)
  })

  it("the notes list the failures, the sizes, and which requests overtook others", () => {
    const load = { active: 0, mostActive: 2, served: 9, rejected: 3, limited: {} }
    assert.deepStrictEqual(notes([atOnce, { ...fixed, sizes: [1, 2] }, priority], load).slice(1), [
      "The server handled at most 2 requests at once, served 9 and rejected 3.",
      "Failures of everything at once: 3 rejected with 503.",
      "Sizes of the fixed pool: 1 → 2.",
      "In the priority pool, 2 urgent requests were submitted last. Their median place in the order of completion was " +
        "1 of 4; that of the others was 3."
    ])
  })

  it("the conclusion says what the numbers say", () => {
    assert.strictEqual(
      conclusion([atOnce, fixed], 2),
      "Sent all at once, 3 of 4 requests failed; " +
        "behind a task pool of at most 2 workers none failed, and every body matched the file on disk."
    )
    assert.strictEqual(
      conclusion(
        [
          { ...atOnce, answers: fixed.answers },
          { ...fixed, answers: atOnce.answers }
        ],
        9
      ),
      "Sent all at once, none of 4 requests failed, too few to overload this server; " +
        "behind a task pool of at most 9 workers, 3 of 4 failed."
    )
  })

  it("the notes and the conclusion compare the ways with a rate limit", () => {
    const load = { active: 0, mostActive: 2, served: 3, rejected: 0, limited: { "api-fixed": 1 } }
    assert.deepStrictEqual(notes([apiFixed, apiRate], load).slice(2), [
      "Its rate limit rejected 1 of the fixed pool, API limit and 0 of the rate pool, API limit.",
      "Failures of fixed pool, API limit: 1 rejected with 429."
    ])
    assert.strictEqual(
      conclusion([fixed, apiFixed, apiRate], 2),
      "Behind a task pool of at most 2 workers none failed, and every body matched the file on disk. " +
        "Against the rate limit 1 of 2 requests failed behind a fixed pool, and 0 behind a pool with a rate."
    )
    assert.strictEqual(conclusion([apiRate], 2), "")
  })

  it("a request that the rate limit rejected is a problem only behind a pool that has a rate", () => {
    assert.deepStrictEqual(problems([apiFixed, apiRate]), [])
    assert.deepStrictEqual(problems([{ ...apiRate, answers: apiFixed.answers }]), [
      "rate pool, API limit: 1 of 2 requests failed"
    ])
  })

  it("a wrong body is a problem everywhere, a lost request only behind a pool", () => {
    assert.deepStrictEqual(problems([atOnce, fixed, priority]), [])
    assert.deepStrictEqual(
      problems([
        { ...atOnce, answers: answers(rejected, wrong) },
        { ...fixed, answers: answers(rejected, wrong, undefined) }
      ]),
      [
        "everything at once: 1 body differed from the file on disk",
        "fixed pool: 1 body differed from the file on disk",
        "fixed pool: 1 of 3 requests failed"
      ]
    )
  })
})
