import { defineConfig } from "vitest/config"
import type { Reporter, TestCase } from "vitest/node"

// Prints "N passed, N failed, N skipped", for people and scripts alike: as the last line, so below the coverage.
const lastLine = (): Reporter => {
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
      if (watching) console.log(line)
      else process.once("exit", () => console.log(line))
    }
  }
}

// Without a terminal the default reporter is silent until a file is through: says every ten seconds what still runs.
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
    onTestRunEnd() {
      clearInterval(timer)
    }
  }
}

const project = (name: string, root: string, ...include: ReadonlyArray<string>) => ({
  extends: true as const,
  test: { name, root, include: ["test/**/*.test.ts", ...include] }
})

export default defineConfig({
  test: {
    projects: [
      project("core", "packages/core"),
      project("node", "packages/node"),
      project("testing", "packages/testing"),
      project("benchmark", "packages/benchmark"),
      project("examples", "packages/examples"),
      project("docs", "docs", "generated/*.test.ts")
    ],
    reporters: ["default", ...(process.stdout.isTTY ? [] : [progress()]), lastLine()],
    coverage: {
      provider: "v8",
      // What is published; the demo and the examples are programs, run as such.
      include: ["packages/{core,node,testing}/src/**/*.ts"],
      // They run on worker threads, where nothing is counted; the executor's laws are what holds them.
      exclude: ["packages/node/src/worker.ts", "packages/testing/src/laws/jobs/*.ts"],
      reporter: [["text", { skipFull: true }]],
      thresholds: { lines: 90, functions: 90, branches: 85, statements: 90 }
    }
  }
})
