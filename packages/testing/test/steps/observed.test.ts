import { observedSteps } from "./observed.ts"

observedSteps(60)
