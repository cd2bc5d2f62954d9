/** The cost of a frame: the answer to `/api/v1/pools`, without a socket. */
import { AioFixedTaskPoolSimple } from "@aio-task-pool/core"
import { Dashboard } from "@aio-task-pool/dashboard"
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import { Effect, Layer } from "effect"
import { HttpRouter } from "effect/http"
import { createServer } from "node:http"
import { processorClock } from "../clock.ts"
import { median } from "../statistics.ts"

/** Milliseconds of processor time, and bytes. */
export interface FrameCost {
  readonly pools: number
  readonly milliseconds: number
  readonly bytes: number
}

/** Measures frames of ever more pools, in each of which two tasks run and two wait. */
export const frameCosts = (counts: ReadonlyArray<number>, rounds: number): Effect.Effect<ReadonlyArray<FrameCost>> =>
  Effect.gen(function* () {
    const server = NodeHttpServer.layer(createServer, { port: 0, host: "127.0.0.1" })
    const { dispose, handler } = HttpRouter.toWebHandler(
      Layer.provide(Dashboard.routes({ allowedHosts: ["x"], token: "t" }), server),
      {
        disableLogger: true
      }
    )
    yield* Effect.addFinalizer(() => Effect.promise(dispose))
    const headers = { host: "x", authorization: "Bearer t" }
    const frame = async (): Promise<string> => {
      const answer = await handler(new Request("http://x/api/v1/pools", { headers }))
      if (answer.status !== 200) throw new Error(`the dashboard answered ${answer.status}`)
      return answer.text()
    }
    const costs: Array<FrameCost> = []
    let open = 0
    for (const pools of counts) {
      for (; open < pools; open++) {
        const pool = yield* AioFixedTaskPoolSimple.make({
          name: `pool-${open}`,
          size: 2,
          shutdown: { drainTimeout: 0 }
        })
        for (let task = 0; task < 4; task++) yield* pool.fork(Effect.never)
      }
      // Processor time is counted in steps of up to a millisecond, so a round takes long enough for many of them.
      const looks = Math.ceil(2000 / (pools + 10))
      const times: Array<number> = []
      let bytes = 0
      for (let round = -2; round < rounds; round++) {
        const start = processorClock()
        for (let look = 0; look < looks; look++) bytes = (yield* Effect.promise(frame)).length
        if (round >= 0) times.push((processorClock() - start) / 1000 / looks)
      }
      costs.push({ pools, milliseconds: median(times), bytes })
    }
    return costs
  }).pipe(Effect.scoped, Effect.orDie)
