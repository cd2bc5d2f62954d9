import { programs } from "./programs.ts"

programs(20_000)
