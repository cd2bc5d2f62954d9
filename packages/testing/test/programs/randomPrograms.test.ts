import { programs } from "./programs.ts"

programs(80)
