/** Words that messages share. */

/** Returns a number of workers as text: "1 worker", "3 workers". */
export const workers = (count: number): string => `${count} ${count === 1 ? "worker" : "workers"}`
