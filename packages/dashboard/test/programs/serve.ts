/** Serves the dashboard over pools under load. Arguments: the port, then `six`, `none` or a number of pools. */
import { Dashboard } from "@aio-task-pool/dashboard"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { openMany, openSix } from "../support/load.ts"

const [port = "0", load = "six"] = process.argv.slice(2)
const open = load === "six" ? openSix : openMany(load === "none" ? 0 : Number(load))

const program = Layer.effectDiscard(open).pipe(
  Layer.provideMerge(Dashboard.layer({ port: Number(port), actions: true, token: "token-of-tests" }))
)
NodeRuntime.runMain(Layer.launch(program).pipe(Effect.scoped))
