import { atTheEndOfTheStack } from "./stackEnd.ts"

atTheEndOfTheStack([400, 600, 984], { options: true })
