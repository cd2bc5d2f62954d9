/** The jobs of the tests, once as an Executor's and once as piscina's. */
import { Job } from "@aio-task-pool/core/Job"
import { move } from "piscina"

export const double = Job.define(import.meta, "double", (n: number) => 2 * n)

export const fill = Job.define(import.meta, "fill", (bytes: Uint8Array<ArrayBuffer>) =>
  Job.transfer(bytes.fill(7), [bytes.buffer])
)

/** The same for piscina, which marks a result that is moved. */
export const fillThere = (bytes: Uint8Array<ArrayBuffer>): unknown => move(bytes.fill(7))

export const fails = Job.define(import.meta, "fails", (message: string): number => {
  throw new RangeError(message)
})

export const hang = Job.define(import.meta, "hang", (): number => {
  for (;;);
})

export default double
