/** Loads only when a gate is open: a file, named in the environment, that must not be there. It waits, or throws. */
import { existsSync } from "node:fs"

const { GATE: gate, GATE_THROWS: throws } = process.env
if (gate !== undefined && existsSync(gate)) {
  if (throws !== undefined) throw new RangeError("the gate is closed")
  const sleeping = new Int32Array(new SharedArrayBuffer(4))
  while (existsSync(gate)) Atomics.wait(sleeping, 0, 0, 5)
}

export const opened = (): string => "opened"
