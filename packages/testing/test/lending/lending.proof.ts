import { everySmallTask } from "./lending.ts"

everySmallTask(1, 1)
