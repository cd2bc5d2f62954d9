// Runs each program of docs/cookbook as a process of its own, compares what it prints with its page, and checks from the
// printed numbers, which its server has counted, that the limit held.
import { afterAll, assert, describe, it } from "vitest"
import { once } from "node:events"
import { globSync, readFileSync } from "node:fs"
import { Agent, type ClientRequest, request } from "node:http"
import { basename, join } from "node:path"
import { text } from "node:stream/consumers"
import { setTimeout as sleep } from "node:timers/promises"
import {
  checkStream,
  examples,
  numbers,
  onRedis,
  printedBy,
  programOf,
  programsOf,
  root,
  run,
  shape,
  start
} from "./cookbook/programs.ts"

/** The programs, by the names of their pages. `refresh` is a part of a test, which runs beside these. */
const pages = globSync("docs/cookbook/*.md", { cwd: root })
  .map((page) => basename(page, ".md"))
  .filter((page) => page !== "README" && page !== "refresh")
  .sort()

/** Those whose programs are folders to copy. */
const inFolders = ["crawler", "http-server", "images"]

const printedOn = (page: string): string => printedBy(`docs/cookbook/${page}.md`)

/** What each program must print beyond the shape that its page shows. */
const checks: Record<string, (output: string) => void> = {
  "retry-after": (output) => {
    const [got, all, most, limited] = numbers(output)
    assert.deepStrictEqual([got, all], [60, 60])
    assert.isAtMost(most!, 4)
    // 60 requests at 20 per second meet the limit at least twice, unless they take three seconds on a slow machine.
    assert.isAtMost(limited!, 4 * 10)
  },
  "llm-calls": (output) => {
    const [, seconds] = /^29 answers in (.*) s, 1 failure: question 13,status 400$/m.exec(output)!
    // 30 calls are more than 20, and their 5,000 tokens more than 3,000: the last ones start a window after the first.
    assert.isAtLeast(Number(seconds), 1.1)
  },
  // If the first report ends before the client has sent all its requests, there is room for the last one.
  "jobs-202": (output) => {
    assert.match(output, /^POST \/sales -> 202 \/jobs\/1$/m)
    assert.match(output, /^GET \/jobs\/1 -> 200 report on sales$/m)
  },
  crawler: (output) => {
    const [pages, failed, ...sites] = numbers(output)
    assert.deepStrictEqual([pages, failed], [165, 0])
    for (const [i, served] of [120, 40, 5].entries()) {
      assert.strictEqual(sites[3 * i + 1], served)
      assert.isAtMost(sites[3 * i + 2]!, 2)
    }
  },
  images: (output) => assert.match(output, /^23 thumbnails of 200 x 150, 0 made in the main thread\nfailed: 7\.png/),
  "long-stream": (output) => checkStream(output, 5000),
  "fair-tenants": (output) => {
    const [running, waiting, last, all] = numbers(output)
    assert.deepStrictEqual([running! + waiting!, running! <= 4, all], [300, true, 315])
    // Four run before the others come. Then each of the other 15 comes at most four turns of the flood later.
    assert.isAtMost(last!, 4 + 15 * 4)
  },
  "batch-import": (output) => {
    const [rows, most, page] = numbers(output)
    assert.deepStrictEqual([rows, page], [4500, 6])
    assert.isAtMost(most!, 4)
  },
  "same-work-once": (output) => {
    const [answered, failed, page, tasks, served, most] = numbers(output)
    assert.deepStrictEqual([answered, failed, page, tasks, served], [450, 50, 9, 10, 9])
    assert.isAtMost(most!, 3)
  },
  cron: (output) => {
    const [ticks, runs, skipped, overlaps] = numbers(output)
    assert.deepStrictEqual([ticks, runs! + skipped!, overlaps], [20, 20, 0])
    assert.isAbove(runs!, 0)
  },
  "plain-promises": (output) => {
    assert.include(output, "99 pages, at most ")
    assert.isAtMost(numbers(output)[1]!, 6)
  }
}

/** The output of `jobs-202` as it is if no report ends before the client looks. */
const inTime = (output: string): string =>
  output
    .replace("POST /taxes -> 202 /jobs/4", "POST /taxes -> 503 try again later")
    .replace(/GET \/jobs\/2 -> 200 .*/, "GET /jobs/2 -> 200 Waiting")
    .replace(/GET \/jobs\/3 -> .*/, "GET /jobs/3 -> 410 no report")

// Processes, sockets and threads: real time.
describe("cookbook", () => {
  it("has a page for each program, and a line of its index for each page", () => {
    const shown = [...pages, "refresh"].map(programOf)
    const programs = globSync("src/cookbook/*.ts", { cwd: examples }).map((file) => `packages/examples/${file}`)
    assert.includeMembers(shown, programs)
    assert.deepStrictEqual(
      shown.map((program) => (program.endsWith("/main.ts") ? "a folder of its own" : basename(program, ".ts"))),
      [...pages, "refresh"].map((page) => (inFolders.includes(page) ? "a folder of its own" : page))
    )
    const index = readFileSync(join(root, "docs/cookbook/README.md"), "utf8")
    for (const page of [...pages, "refresh"]) assert.include(index, `(${page}.md)`)
  })

  it.each([...pages, "refresh"])("shows a program of less than 60 lines: %s", (page) => {
    const programs = programsOf(page)
    assert.isNotEmpty(programs)
    for (const { body } of programs) assert.isBelow(body.trimEnd().split("\n").length, 60)
  })

  it.concurrent.each(Object.entries(checks))(
    "%s prints what its page shows, and keeps its limit",
    async (page, check) => {
      const output = await run(programOf(page), page === "long-stream" ? ["5000"] : [])
      assert.strictEqual(shape(page === "jobs-202" ? inTime(output) : output), shape(printedOn(page)))
      check(output)
    }
  )

  it("runs every program", () => {
    assert.sameMembers([...Object.keys(checks), "http-server", onRedis], pages)
  })
})

describe("the server of the cookbook", () => {
  interface Answer {
    readonly status: number
    readonly body: string
    readonly connection: string | undefined
  }

  // A client that keeps its connections, unless the server ends them.
  const agent = new Agent({ keepAlive: true })
  afterAll(() => agent.destroy())

  /** Begins an upload, and returns the request and its answer. */
  const upload = (port: number) => {
    const sending = request({ port, method: "POST", agent })
    const answer = new Promise<Answer>((resolve, reject) => {
      sending.on("error", reject)
      sending.on("response", (response) =>
        text(response).then(
          (body) => resolve({ status: response.statusCode!, body, connection: response.headers.connection }),
          reject
        )
      )
    })
    sending.write("a")
    return { sending, answer }
  }

  const stats = async (port: number) => (await fetch(`http://localhost:${port}`)).json()

  const until = async (port: number, expected: unknown): Promise<void> => {
    while (JSON.stringify(await stats(port)) !== JSON.stringify(expected)) await sleep(10)
  }

  it("answers 503 when it is full, and everything that it has accepted after SIGTERM", async () => {
    const server = start(programOf("http-server"))
    let output = ""
    const says = (words: string) =>
      new Promise<void>((resolve) => server.stdout!.on("data", () => output.includes(words) && resolve()))
    server.stdout!.setEncoding("utf8").on("data", (chunk: string) => (output += chunk))
    const errors = text(server.stderr!)
    try {
      await says("listening")
      const port = numbers(output)[0]!

      const accepted: Array<{ sending: ClientRequest; answer: Promise<Answer> }> = []
      for (let i = 0; i < 12; i++) {
        accepted.push(upload(port))
        await until(port, { phase: "Open", running: Math.min(4, i + 1), waiting: Math.max(0, i - 3) })
      }
      const refused = await Promise.all(Array.from({ length: 5 }, () => upload(port).answer))
      assert.deepStrictEqual(
        refused.map(({ status }) => status),
        [503, 503, 503, 503, 503]
      )

      const draining = says("draining")
      server.kill("SIGTERM")
      await draining
      for (const { sending } of accepted) sending.end("bc")
      const answers = await Promise.all(accepted.map(({ answer }) => answer))
      // The hash of "abc".
      for (const { body, connection, status } of answers)
        assert.deepStrictEqual([status, body.slice(0, 8), connection], [200, "ba7816bf", "close"])
      await once(server, "close")
      assert.strictEqual(shape(output), shape(printedOn("http-server")))
      assert.strictEqual(await errors, "")
    } finally {
      server.kill("SIGKILL")
    }
  })
})
