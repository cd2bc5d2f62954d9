/**
 * What the cost of a run is read from, in microseconds.
 */

/** Tells the microseconds that have passed since some moment. */
export type Clock = () => number

/** The time that passes for everybody. */
export const wallClock: Clock = () => performance.now() * 1000

/** The time that processors gave to this process, its garbage collection included: other processes do not disturb it. */
export const processorClock: Clock = () => {
  const { system, user } = process.cpuUsage()
  return system + user
}

/** How long something takes. */
export const timed = async (now: Clock, run: () => Promise<unknown>): Promise<number> => {
  const start = now()
  await run()
  return now() - start
}
