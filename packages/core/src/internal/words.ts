/** Words of messages. */

/** A number of workers: "1 worker", "3 workers". */
export const workers = (count: number): string => `${count} ${count === 1 ? "worker" : "workers"}`
