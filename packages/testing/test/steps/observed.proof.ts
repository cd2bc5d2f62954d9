import { observedSteps } from "./observed.ts"

observedSteps(600)
