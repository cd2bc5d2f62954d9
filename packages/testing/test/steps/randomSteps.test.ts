import { randomInterleavings } from "./randomSteps.ts"

randomInterleavings(1_200)
