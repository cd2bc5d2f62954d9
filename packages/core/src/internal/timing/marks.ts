/**
 * What observers remember of a task, in one small integer: a field for each would cost a waiting task 8 bytes.
 *
 * | bits        | says                                                                                      |
 * |-------------|-------------------------------------------------------------------------------------------|
 * | 0 to 4      | for the timing: 0 if the task is not timed, or 1 + the logarithm of its weight            |
 * | 5           | for the meter: whether the task waits                                                     |
 * | 6           | for the meter: whether the running task is timed                                          |
 * | 7 and above | for the meter: the epoch of the dispatch, which wraps around after 16 million shrinkings |
 */
const sampleBits = 31
const waits = 32
const isTimed = 64

/** Returns how many tasks a timed task represents; 0 if the task is not timed. */
export const sampleOf = (mark: number): number => {
  const sample = mark & sampleBits
  return sample === 0 ? 0 : 1 << (sample - 1)
}

/** Returns the mark of a task that represents `weight` tasks, a power of two, or 0 for a task that is not timed. */
export const withSample = (mark: number, weight: number): number =>
  (mark & ~sampleBits) | (weight === 0 ? 0 : 32 - Math.clz32(weight))

/** Returns the mark of a task that waits. */
export const waiting = (mark: number): number => (mark & sampleBits) | waits

/** Returns whether a task waits, or has waited until its dispatch. */
export const hasWaited = (mark: number): boolean => (mark & waits) !== 0

/** Returns the mark of a running task. */
export const running = (mark: number, epoch: number, timed: boolean): number =>
  (mark & sampleBits) | (timed ? isTimed : 0) | (epoch << 7)

/** Returns whether the meter times a running task. */
export const timesRun = (mark: number): boolean => (mark & isTimed) !== 0

/** Returns whether a running task was dispatched in an epoch. */
export const isOfEpoch = (mark: number, epoch: number): boolean => mark >> 7 === (epoch << 7) >> 7
