/**
 * All benchmarks, in the order in which they run and are shown.
 */
import type { Benchmark } from "./benchmark.ts"
import { backlog } from "./benchmarks/backlog.ts"
import { bulk } from "./benchmarks/bulk.ts"
import { cancel } from "./benchmarks/cancel.ts"
import { features, mixed } from "./benchmarks/features.ts"
import { inspect } from "./benchmarks/inspect.ts"
import { measuring } from "./benchmarks/measuring.ts"
import { memory } from "./benchmarks/memory.ts"
import { observing } from "./benchmarks/observing.ts"
import { options } from "./benchmarks/options.ts"
import { priority } from "./benchmarks/priority.ts"
import { sequential } from "./benchmarks/sequential.ts"
import { six } from "./benchmarks/six.ts"
import { submit, submitMicro, submitSync } from "./benchmarks/submit.ts"

export const benchmarks: ReadonlyArray<Benchmark> = [
  submit,
  submitMicro,
  submitSync,
  sequential,
  bulk,
  priority,
  cancel,
  backlog,
  inspect,
  memory,
  six,
  options,
  features,
  mixed,
  measuring,
  observing
]
