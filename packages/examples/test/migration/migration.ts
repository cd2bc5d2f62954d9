/** The pages of docs/migration, each row and trap of which is a test that runs both libraries. */
import {
  AioFixedTaskPoolPriority,
  AioFixedTaskPoolSimple,
  type FixedPoolOptions,
  PromisePool
} from "@aio-task-pool/core"
import { assert, describe, it } from "vitest"
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { setImmediate as turn } from "node:timers/promises"

interface Entry {
  readonly title: string
  /** The cells of a row. */
  readonly cells?: readonly [there: string, here: string]
  readonly run: () => Promise<unknown>
}

/** A row of the page's table, in Markdown: a call there, and the call here that replaces it. */
export const row = (there: string, here: string, run: () => Promise<unknown>): Entry => ({
  title: `${there} is ${here}`,
  cells: [there, here],
  run
})

/** A trap of the page, by its first words. */
export const trap = (title: string, run: () => Promise<unknown>): Entry => ({ title, run })

/** Registers the tests of a page. `file` has its rows and traps, each in a statement that begins a line. */
export const migration = (
  page: string,
  file: string,
  entries: ReadonlyArray<Entry>,
  { runsThere = true }: { /** Whether the tests run the other library too. */ readonly runsThere?: boolean } = {}
): void => {
  const text = readFileSync(join(import.meta.dirname, `../../../../docs/migration/${page}.md`), "utf8")
  const blocks = readFileSync(file, "utf8")
    .split(/^ {2,4}(?:row|trap)\(/m)
    .slice(1)

  describe(`moving from ${page}`, () => {
    it("shows the rows and traps that are tested here, in this order", () => {
      const rows = Array.from(text.matchAll(/^\| (`.*?) +\| (.*?) +\|/gm), ([, there, here]) => [there, here])
      assert.deepStrictEqual(
        rows,
        entries.flatMap(({ cells }) => (cells === undefined ? [] : [[...cells]]))
      )
      const traps = Array.from(text.matchAll(/^- \*\*(.*?)\.?\*\*/gm), ([, title]) => title)
      assert.deepStrictEqual(
        traps,
        entries.flatMap(({ cells, title }) => (cells === undefined ? [title] : []))
      )
    })

    const tests = entries.map(({ cells, run, title }, index) => [title, { cells, run, block: blocks[index]! }] as const)

    it.each(tests)("%s", async (_, { block, cells, run }) => {
      // What a row shows is what its test runs, but for line breaks and what "…" leaves out.
      const body = block.split("async () => {").slice(1).join("").replaceAll(/\s+/g, " ")
      for (const cell of cells?.slice(runsThere ? 0 : 1) ?? []) {
        for (const [, code] of cell.matchAll(/`([^`]+)`/g)) {
          for (const part of code!.split("…")) assert.include(body, part.trim())
        }
      }
      await run()
    })
  })
}

/** Runs `use` with a pool of promises, and closes the pool. */
export const withPool = async (
  size: number,
  use: (pool: PromisePool) => Promise<unknown>,
  options?: FixedPoolOptions
): Promise<void> => withPoolOf(await PromisePool.make(AioFixedTaskPoolSimple.layer(size, options)), use)

/** The same, with a pool of priorities. */
export const withPriorities = async (size: number, use: (pool: PromisePool) => Promise<unknown>): Promise<void> =>
  withPoolOf(await PromisePool.make(AioFixedTaskPoolPriority.layer(size)), use)

const withPoolOf = async (pool: PromisePool, use: (pool: PromisePool) => Promise<unknown>): Promise<void> => {
  try {
    await use(pool)
  } finally {
    await pool.close({ mode: "interrupt" })
  }
}

/** A promise that is resolved from outside. */
export interface Gate {
  readonly opened: Promise<void>
  readonly open: () => void
}

export const makeGate = (): Gate => {
  let open = () => {}
  const opened = new Promise<void>((resolve) => (open = resolve))
  return { opened, open }
}

/** Lets everything happen that needs no time. */
export const settle = async (): Promise<void> => {
  for (let i = 0; i < 20; i++) await turn()
}

/** Whether the promise has settled, after everything happened that needs no time. */
export const isPending = async (promise: Promise<unknown>): Promise<boolean> => {
  let pending = true
  void promise.then(
    () => (pending = false),
    () => (pending = false)
  )
  await settle()
  return pending
}

/** What the promise is rejected with. */
export const rejection = (promise: Promise<unknown>): Promise<any> =>
  promise.then(
    () => assert.fail("the promise was not rejected"),
    (error: unknown) => error
  )

/** A function that counts how many of its calls run at once, until the gate opens. */
export const counted = (gate: Gate) => {
  const count = { active: 0, most: 0, calls: 0 }
  const fn = async (): Promise<number> => {
    count.calls++
    count.most = Math.max(count.most, ++count.active)
    await gate.opened
    count.active--
    return count.calls
  }
  return { count, fn }
}
