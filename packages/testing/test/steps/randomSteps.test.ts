import { randomInterleavings } from "./randomSteps.ts"

randomInterleavings(3_000)
