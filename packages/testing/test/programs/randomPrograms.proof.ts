import { programs } from "./programs.ts"

programs(12_000)
