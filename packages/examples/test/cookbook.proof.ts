import { assert, it } from "vitest"
import { checkStream, printedBy, programOf, run, shape } from "./cookbook/programs.ts"

// A process: real time.
it("long-stream holds as few of 200,000 lines as of 5,000", async () => {
  const output = await run(programOf("long-stream"))
  assert.strictEqual(shape(output), shape(printedBy("docs/cookbook/long-stream.md")))
  checkStream(output, 200_000)
})
