import { assert, it } from "vitest"
import { makeClock } from "../src/internal/protocol.ts"

const { hrtime } = process
const sharedNow = (): number => Number(hrtime.bigint()) / 1e6

it("a thread that loses the processor while it makes its clock is not late for its whole life", () => {
  let calls = 0
  process.hrtime = Object.assign(
    () => {
      const time = hrtime()
      const until = performance.now() + 20
      if (calls++ === 0) while (performance.now() < until);
      return time
    },
    { bigint: hrtime.bigint }
  )
  try {
    const now = makeClock()
    const before = sharedNow()
    const time = now()
    assert.isAtLeast(time, before - 1)
    assert.isAtMost(time, sharedNow() + 1)
  } finally {
    process.hrtime = hrtime
  }
})
