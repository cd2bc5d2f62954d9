import { everySmallTask } from "./lending.ts"

everySmallTask(2, 1)
