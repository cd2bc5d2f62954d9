import type { MachineOptions } from "../../../src/internal/pool/state.ts"
import { fifo } from "../../../src/QueueDiscipline.ts"

/** Returns the options of a machine, by default with one worker and an unbounded queue. */
export const machineOptions = (options: Partial<MachineOptions> = {}): MachineOptions => ({
  name: "pool",
  kind: "AioFixedTaskPoolSimple",
  spans: "auto",
  discipline: fifo,
  min: 0,
  max: 10,
  initial: 1,
  isFixed: true,
  capacity: Infinity,
  onFull: "suspend",
  startPaused: false,
  nested: "lend",
  rates: [],
  perKey: Infinity,
  ageing: undefined,
  ...options
})
