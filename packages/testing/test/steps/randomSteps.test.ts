import { randomInterleavings } from "./randomSteps.ts"

randomInterleavings(600)
