import { programs } from "./programs.ts"

programs(6000)
