/** A worker process: hashes files until a signal ends it. */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Layer from "effect/Layer"
import { pool, worker } from "./pool.ts"

NodeRuntime.runMain(Layer.launch(Layer.provide(worker, pool)))
