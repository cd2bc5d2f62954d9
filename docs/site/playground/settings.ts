/** The settings of the playground. A link carries those that differ from the defaults. */

export interface Settings {
  /** Who chooses the number of workers. */
  readonly workers: "fixed" | "auto-scale"
  readonly order: "fifo" | "lifo" | "priority"
  /** The workers of a fixed pool. */
  readonly size: number
  /** The most workers of an auto-scale pool. */
  readonly maxSize: number
  /** The places of the queue; 0 for no limit. */
  readonly capacity: number
  readonly onFull: "suspend" | "fail" | "dropOldest"
  /** The number of keys, such as tenants or hosts; 0 for tasks without a key. */
  readonly keys: number
  /** The most tasks of a key at once; 0 for no limit. */
  readonly perKey: number
  /** The most starts per second; 0 for no limit. */
  readonly rate: number
  /** Tasks per second. */
  readonly arrivals: number
  readonly pattern: "random" | "regular" | "bursts"
  /** How many requests the server handles at once without slowing down. */
  readonly serverCapacity: number
  /** How long the server takes for one request, in milliseconds. */
  readonly latency: number
  /** What the server does with more requests than it can handle. */
  readonly overload: "slows" | "thrashes" | "rejects"
}

export const defaults: Settings = {
  workers: "fixed",
  order: "fifo",
  size: 8,
  maxSize: 64,
  capacity: 0,
  onFull: "suspend",
  keys: 0,
  perKey: 0,
  rate: 0,
  arrivals: 60,
  pattern: "random",
  serverCapacity: 10,
  latency: 100,
  overload: "slows"
}

/** A number that can be set: its range, its step, and its unit. */
export interface Range {
  readonly min: number
  readonly max: number
  readonly step: number
  readonly unit: string
}

export const ranges = {
  size: { min: 0, max: 64, step: 1, unit: "workers" },
  maxSize: { min: 1, max: 128, step: 1, unit: "workers" },
  capacity: { min: 0, max: 200, step: 5, unit: "places (0: no limit)" },
  keys: { min: 0, max: 8, step: 1, unit: "keys (0: none)" },
  perKey: { min: 0, max: 16, step: 1, unit: "tasks of a key at once (0: no limit)" },
  rate: { min: 0, max: 300, step: 5, unit: "starts per second (0: no limit)" },
  arrivals: { min: 0, max: 300, step: 5, unit: "tasks per second" },
  serverCapacity: { min: 1, max: 64, step: 1, unit: "requests at once" },
  latency: { min: 10, max: 1000, step: 10, unit: "ms" }
} as const satisfies Partial<Record<keyof Settings, Range>>

const words = {
  workers: ["fixed", "auto-scale"],
  order: ["fifo", "lifo", "priority"],
  onFull: ["suspend", "fail", "dropOldest"],
  pattern: ["random", "regular", "bursts"],
  overload: ["slows", "thrashes", "rejects"]
} as const

/** Writes the settings that differ from the defaults as the fragment of a link. */
export const toFragment = (settings: Settings): string =>
  Object.entries(settings)
    .filter(([name, value]) => value !== defaults[name as keyof Settings])
    .map(([name, value]) => `${name}=${value}`)
    .join("&")

/** Reads the fragment of a link. What is unknown or out of range gets its default. */
export const fromFragment = (fragment: string): Settings => {
  const given = new URLSearchParams(fragment.replace(/^#/, ""))
  const settings: Record<string, unknown> = { ...defaults }
  for (const [name, { max, min, step }] of Object.entries(ranges)) {
    const value = Number(given.get(name) ?? NaN)
    if (Number.isFinite(value)) settings[name] = Math.min(max, Math.max(min, Math.round(value / step) * step))
  }
  for (const [name, known] of Object.entries(words)) {
    const value = given.get(name)
    if (value !== null && (known as ReadonlyArray<string>).includes(value)) settings[name] = value
  }
  return settings as unknown as Settings
}

/** Settings worth a look, each with what to watch for. */
export const presets: ReadonlyArray<{
  readonly name: string
  readonly text: string
  readonly settings: Partial<Settings>
}> = [
  {
    name: "At the limit",
    text: "Eight workers in front of a server for ten. The queue absorbs the bursts, and the latency of the server stays flat.",
    settings: { arrivals: 60, size: 8 }
  },
  {
    name: "No limit",
    text: "With 64 workers a burst reaches the server at once. Every request of it becomes slow, and the server loses throughput.",
    settings: { arrivals: 85, size: 64, pattern: "bursts", overload: "thrashes" }
  },
  {
    name: "Find the limit",
    text: "An auto-scale pool starts with one worker. It adds workers while that pays, and says why. Move the server's capacity.",
    settings: {
      workers: "auto-scale",
      arrivals: 150,
      serverCapacity: 20,
      overload: "thrashes",
      capacity: 100,
      onFull: "fail"
    }
  },
  {
    name: "Fair keys",
    text: "Four keys take turns, and each has at most two tasks at once. The first key sends most tasks and waits longest.",
    settings: { keys: 4, perKey: 2, arrivals: 85, size: 8 }
  },
  {
    name: "A rate",
    text: "The API allows 40 starts per second. Workers are free, and the queue waits for the rate.",
    settings: { rate: 40, arrivals: 45 }
  },
  {
    name: "The latest first",
    text: "Too many tasks, a short queue, last in first out: new tasks run at once, and old ones are dropped.",
    settings: { order: "lifo", capacity: 40, onFull: "dropOldest", arrivals: 120 }
  }
]
