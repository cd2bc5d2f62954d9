#!/usr/bin/env node
/** The program `aio-task-pool`. */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { main } from "./top/main.ts"

NodeRuntime.runMain(main(process.argv.slice(2), process), { disableErrorReporting: true })
