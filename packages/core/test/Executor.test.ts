import { Executor } from "@aio-task-pool/core"
import { executorLaws } from "@aio-task-pool/testing"

executorLaws("in the calling thread", Executor.layerInline)
