// The laws of the packed testing package, held against a pool of the packed core.
import { AioFixedTaskPoolSimple } from "@aio-task-pool/core"
import { taskPoolLaws } from "@aio-task-pool/testing"

taskPoolLaws("AioFixedTaskPoolSimple", ({ size, ...options }) => AioFixedTaskPoolSimple.layer(size, options))
