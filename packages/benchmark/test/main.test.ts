import { execFile } from "node:child_process"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import { assert, it } from "@effect/vitest"
import * as Schema from "effect/Schema"
import { Report } from "../src/report.ts"

const main = fileURLToPath(new URL("../src/main.ts", import.meta.url))

// A process, because these tests check the command line.
const bench = (...args: ReadonlyArray<string>) =>
  promisify(execFile)(process.execPath, [main, ...args], { env: { ...process.env, NO_COLOR: "1" } }).then(
    ({ stdout }) => ({ code: 0, stdout, stderr: "" }),
    ({ code, stderr, stdout }: { code: number; stderr: string; stdout: string }) => ({ code, stdout, stderr })
  )

it("--quick --json prints one JSON object with the ratios", async () => {
  const { code, stdout } = await bench("sequential", "--quick", "--json")
  assert.strictEqual(code, 0)
  const report = Schema.decodeSync(Schema.fromJsonString(Report))(stdout)
  assert.deepStrictEqual(Object.keys(report), ["sequential"])
  const { environment, ratios } = report["sequential"]!
  assert.strictEqual(environment.flags, "--quick")
  assert.deepStrictEqual(Object.keys(ratios), ["Effect Semaphore, sync", "Effect Semaphore, tick"])
  for (const { high, low, ours, pairs, ratio, theirs } of Object.values(ratios)) {
    assert.isTrue(low <= ratio && ratio <= high && low > 0 && ours > 0 && theirs > 0 && pairs >= 2)
  }
})

it("a wrong name is rejected, with the list of names", async () => {
  const { code, stderr } = await bench("sbmit")
  assert.strictEqual(code, 1)
  assert.include(stderr, '"sbmit"')
  assert.include(stderr, '"submit" | "submit-micro"')
})

it("a wrong flag is rejected, with the one that was meant", async () => {
  const { code, stderr } = await bench("--quik")
  assert.strictEqual(code, 1)
  assert.include(stderr, "--quik")
  assert.include(stderr, "--quick")
})
