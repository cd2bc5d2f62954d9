/**
 * The clocks that measure the cost of a run, in microseconds.
 */

/** Returns the microseconds since a fixed time. */
export type Clock = () => number

/** Wall-clock time. */
export const wallClock: Clock = () => performance.now() * 1000

/** The processor time of this process, including garbage collection. Other processes do not disturb it. */
export const processorClock: Clock = () => {
  const { system, user } = process.cpuUsage()
  return system + user
}

/** Returns how long `run` takes. */
export const timed = async (now: Clock, run: () => Promise<unknown>): Promise<number> => {
  const start = now()
  await run()
  return now() - start
}
