import { anyTwoOptions } from "./covering.ts"

anyTwoOptions(4, 1)
