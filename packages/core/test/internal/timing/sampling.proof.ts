import { describe } from "@effect/vitest"
import { sampledTimesAgree } from "./sampling.ts"

describe("the sampled times of a pool", () => sampledTimesAgree([1, 2, 3, 4, 5, 6, 7, 8]))
