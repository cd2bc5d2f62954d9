import { AutoScalePolicy } from "@aio-task-pool/core"

/** Keeps the size that the user has set: a law must not meet a decision that its own load has caused. */
export const steady: AutoScalePolicy.AutoScalePolicy<null> = {
  ...AutoScalePolicy.fixed(0),
  name: "steady",
  update: (state, { size }) => [state, { size, reason: "STEADY" }]
}
