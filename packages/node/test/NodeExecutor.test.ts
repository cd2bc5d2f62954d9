import { NodeExecutor } from "@aio-task-pool/node"
import { executorLaws, threadedExecutorLaws } from "@aio-task-pool/testing"

executorLaws("on two threads", NodeExecutor.layer({ threads: 2, spare: 0 }))

threadedExecutorLaws("threads", ({ maxOldGenerationSizeMb, ...options }) =>
  NodeExecutor.layer({
    ...options,
    ...(maxOldGenerationSizeMb === undefined ? {} : { resourceLimits: { maxOldGenerationSizeMb } })
  })
)
