/** The tests at the end of the stack: operations of a pool that overflow it, in processes of their own. */
import { assert, describe, it } from "vitest"
import { execFile } from "node:child_process"
import { promisify } from "node:util"

const run = promisify(execFile)
const program = new URL("./programs/stackEnd.ts", import.meta.url).pathname

// The frames of compiled code are smaller. So where the stack ends would depend on when the engine compiles.
const interpreted = ["--no-turbofan", "--no-maglev", "--no-sparkplug"]

const left = async (
  what: string,
  size: number,
  more: ReadonlyArray<string> = [],
  options: ReadonlyArray<string> = []
): Promise<unknown> => {
  const flags = ["--no-warnings", `--stack-size=${size}`, ...interpreted, ...more]
  const { stdout } = await run(process.execPath, [...flags, program, what, ...options], { timeout: 300_000 })
  // The pool logs what it could not give to any task.
  return JSON.parse(stdout.trimEnd().split("\n").at(-1)!)
}

// Compiling a function needs much of the stack, so a function that is not compiled yet hides the overflows after it.
const compiled = ["--no-lazy", "--no-flush-bytecode"]

const allIsWell = {
  thrown: true,
  left: 0,
  states: [{ busy: 0, lent: 0, running: 0, waiting: 0, runningThen: 3, results: [1, 2, 3] }]
}

/**
 * Registers the tests on stacks of these sizes, in kilobytes. The default of Node is 984. With `options`, pools and tasks
 * that have many options are tested too.
 */
export const atTheEndOfTheStack = (
  sizes: ReadonlyArray<number>,
  { options = false }: { readonly options?: boolean } = {}
): void => {
  describe.each(sizes)("at the end of a stack of %i KB", (size) => {
    it.concurrent("a submit costs tasks that were being launched, and never the pool or a worker (I2, I3)", async () => {
      assert.deepStrictEqual(await left("submits", size), {
        thrown: true,
        busy: 0,
        running: 0,
        waiting: 0,
        runningThen: 3,
        results: [1, 2, 3]
      })
    })

    it.concurrent("an agenda adds an item as a whole, or not at all", async () => {
      assert.deepStrictEqual(await left("items", size), { thrown: true, isConsistent: true, allFired: true })
    })
  })

  // On older versions Effect's scheduler or Node itself overflows first, and ends or stops the program.
  const newest = Number(process.versions.node.split(".")[0]) >= 26 ? sizes : []

  describe.each(newest)("at the end of a stack of %i KB with compiled functions", (size) => {
    it.concurrent("a nested submit loses no worker, and all callers get an answer (I2, I3)", async () => {
      assert.deepStrictEqual(await left("nested", size, compiled), allIsWell)
    })

    it.concurrent.each(["cancelsRunning", "cancelsWaiting", "clears", "resizes"])(
      "what starts or ends tasks does it, or changes nothing: %s",
      async (what) => {
        assert.deepStrictEqual(await left(what, size, compiled), allIsWell)
      }
    )

    it.concurrent.each(options ? ["cancelsRunning", "cancelsWaiting", "clears", "resizes"] : [])(
      "with options too, what starts or ends tasks does it, or changes nothing: %s",
      async (what) => {
        assert.deepStrictEqual(await left(what, size, compiled, ["options"]), allIsWell)
      }
    )

    it.concurrent("an interrupted submitter ends its task (I3)", async () => {
      assert.deepStrictEqual(await left("interrupts", size, compiled), { ...allIsWell, thrown: false })
    })
  })
}
