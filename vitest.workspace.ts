import { writeFileSync } from "node:fs"
import { availableParallelism } from "node:os"
import { defineConfig } from "vitest/config"
import { BaseSequencer, type Reporter, type TestCase, type TestSpecification } from "vitest/node"

// Reports "N passed, N failed, N skipped". `.ci/test.ts` asks for the line in a file and prints it last of all; other runs
// print it when they end, below the coverage.
const totals = (): Reporter => {
  let watching = false
  return {
    onInit(vitest) {
      watching = vitest.config.watch
    },
    onTestRunEnd(modules, unhandledErrors) {
      const count = { passed: 0, failed: unhandledErrors.length, skipped: 0, pending: 0 }
      for (const module of modules) {
        count.failed += module.errors().length
        for (const test of module.children.allTests()) count[test.result().state]++
      }
      const line = `${count.passed} passed, ${count.failed} failed, ${count.skipped + count.pending} skipped`
      const file = process.env["TEST_TOTALS"]
      if (file !== undefined) writeFileSync(file, line)
      else if (watching) console.log(line)
      else process.once("exit", () => console.log(line))
    }
  }
}

// Without a terminal the default reporter prints nothing until a file ends: lists every ten seconds what still runs.
const progress = (): Reporter => {
  const running = new Map<TestCase, number>()
  let timer: NodeJS.Timeout | undefined
  let done = 0
  return {
    onTestRunStart() {
      timer = setInterval(() => {
        const seconds = (since: number) => Math.round((performance.now() - since) / 1000)
        const tests = [...running].map(([test, since]) => `${test.fullName} (${seconds(since)} s)`)
        console.log(`  ${done} tests done, running: ${tests.join("; ") || "none at the moment"}`)
      }, 10_000)
    },
    onTestCaseReady(test) {
      running.set(test, performance.now())
    },
    onTestCaseResult(test) {
      running.delete(test)
      done++
    },
    // A quick test may be reported as ready after its result.
    onTestModuleEnd(module) {
      for (const test of module.children.allTests()) running.delete(test)
    },
    onTestRunEnd() {
      clearInterval(timer)
    }
  }
}

// The longest proofs, the longest first. Vitest begins with the largest files, and these are short: they would come last,
// and the other workers would have nothing to do meanwhile.
const longest = ["everyStep", "twoPools", "acceptance", "lending", "randomSteps", "randomPrograms", "faults", "hostile"]

class LongestFirst extends BaseSequencer {
  override async sort(files: Array<TestSpecification>): Promise<Array<TestSpecification>> {
    const rank = ({ moduleId }: TestSpecification): number => {
      const index = longest.findIndex((name) => moduleId.endsWith(`/${name}.proof.ts`))
      return index === -1 ? longest.length : index
    }
    const sorted = await super.sort(files)
    return sorted.toSorted((a, b) => rank(a) - rank(b))
  }
}

// Milliseconds. No test depends on how fast the machine is: one that takes longer hangs.
const limit = { test: 3 * 60_000, proof: 30 * 60_000 }

export default defineConfig(({ mode }) => {
  // `--mode proof` runs the long versions, which stand beside the tests. `--mode browsers` runs the tests in Chromium.
  const kind = mode === "proof" ? "proof" : mode === "browsers" ? "browser" : "test"
  const proof = kind === "proof"
  interface Options {
    /** The test files, default all below `test`. */
    readonly include?: ReadonlyArray<string>
    readonly exclude?: ReadonlyArray<string>
    readonly isolate?: boolean
  }
  const all = `test/**/*.${kind}.ts`
  const project = (name: string, root: string, options: Options = {}) => ({
    extends: true as const,
    test: {
      name,
      // Not the project's `root`: `coverage.include` is relative to that, and would match no file.
      dir: root,
      include: [...(options.include ?? [all])],
      exclude: [...(options.exclude ?? [])],
      // Most files share their worker, which saves half a second each. A proof takes much longer than its worker's start.
      isolate: options.isolate ?? kind !== "test"
    }
  })
  // Files that replace modules, or that weigh the memory of their process.
  const alone = [`test/publicRuntime.${kind}.ts`, `test/leaks.${kind}.ts`]
  return {
    test: {
      projects: [
        project("core", "packages/core"),
        project("node", "packages/node"),
        project("distributed", "packages/distributed"),
        project("testing", "packages/testing", { exclude: alone }),
        project("testing-alone", "packages/testing", { include: alone, isolate: true }),
        project("dashboard", "packages/dashboard"),
        project("benchmark", "packages/benchmark"),
        project("examples", "packages/examples"),
        project("docs", "docs", { include: [all, `generated/*.${kind}.ts`] })
      ],
      testTimeout: limit[proof ? "proof" : "test"],
      hookTimeout: limit.test,
      // Some tests wait for a process, a server or a timer: with three workers for two cores, none is idle meanwhile. Each
      // worker loads the packages of each project, 15 seconds of CPU time in all.
      maxWorkers: Math.ceil(1.5 * availableParallelism()),
      ...(proof ? { sequence: { sequencer: LongestFirst } } : {}),
      reporters: ["default", ...(process.stdout.isTTY ? [] : [progress()]), totals()],
      coverage: {
        provider: "v8",
        // The published packages. The demo and the examples run as programs, in processes of their own.
        include: ["packages/{core,node,dashboard,distributed}/src/**/*.ts"],
        // These run on worker threads, where v8 counts nothing. The executor's laws cover them.
        exclude: ["packages/node/src/worker.ts", "packages/testing/src/laws/jobs/*.ts"],
        reporter: [["text", { skipFull: true }]],
        thresholds: { lines: 90, functions: 90, branches: 85, statements: 90 }
      }
    }
  }
})
