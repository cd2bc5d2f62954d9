/** Makes an executor when it is loaded, which a thread must not do. */
import { NodeExecutor } from "@aio-task-pool/node"
import { Effect } from "effect"

await Effect.runPromise(Effect.scoped(NodeExecutor.make({ threads: 1, spare: 0 })))
export const never = (): void => {}
