// Runs the laws of the packed testing package on a pool of the packed core.
import { AioFixedTaskPoolSimple } from "@aio-task-pool/core"
import { taskPoolLaws } from "@aio-task-pool/testing"

taskPoolLaws("AioFixedTaskPoolSimple", ({ size, ...options }) => AioFixedTaskPoolSimple.layer(size, options))
