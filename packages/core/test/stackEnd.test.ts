import { atTheEndOfTheStack } from "./stackEnd.ts"

atTheEndOfTheStack([984])
