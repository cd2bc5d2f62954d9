import { isAvailable } from "@aio-task-pool/testing/RedisServer"
import { describe } from "@effect/vitest"
import { interruptedPools } from "./interrupted.ts"

describe.skipIf(!isAvailable("interrupted pools on Redis"))("a pool on Redis", () => interruptedPools(1))
