/**
 * Clocks that measure the cost of a run, in microseconds.
 */

/** Returns the microseconds since a fixed moment. */
export type Clock = () => number

/** Wall-clock time. */
export const wallClock: Clock = () => performance.now() * 1000

/** Processor time of this process, including garbage collection. Other processes do not disturb it. */
export const processorClock: Clock = () => {
  const { system, user } = process.cpuUsage()
  return system + user
}

/** Measures how long `run` takes. */
export const timed = async (now: Clock, run: () => Promise<unknown>): Promise<number> => {
  const start = now()
  await run()
  return now() - start
}
