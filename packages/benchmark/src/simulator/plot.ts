/**
 * A simulated run as a figure: the size beside the best one and the server's limit, the latency, and the tasks that were
 * offered, succeeded and failed.
 */
import type { Scenario, SimulatedWindow, SimulateResult, Steps } from "@aio-task-pool/testing/Simulator"
import { figure, type Line, timeline } from "../figure.ts"

type Points = Line["points"]

/** Draws a run. */
export const plot = (
  title: string,
  { load, server }: Pick<Scenario, "load" | "server">,
  result: SimulateResult
): string => {
  const long = result.elapsed > 900_000
  const [unit, label] = long ? [60_000, "minutes"] : [1_000, "seconds"]
  const first = result.sizes.filter((window) => window.pool === 0)
  // A mean belongs to its whole window, a run time to windows in which a task has succeeded.
  const inFlight = inFlightOf(first).map(([time, count]) => [time / unit, count] as const)
  const runTimes = first.map(
    ({ sample, time }) => [time / unit, sample.succeeded === 0 ? NaN : sample.runMean] as const
  )
  const bases = first.map(({ decision, time }) => [time / unit, decision.evidence?.base ?? NaN] as const)
  const perSecond = (values: ReadonlyArray<number>): Points =>
    thin(
      smooth(values, Math.ceil(values.length / (1.3 * bins))).map(([second, value]) => [(1000 * second) / unit, value])
    )
  const steps = (values: Steps): Points =>
    thin(stepsUntil(result.elapsed, values).map(([time, value]) => [time / unit, value] as const))
  const pools = result.shares.length
  const granted =
    server.kind === "bucket"
      ? server.rate
      : server.kind === "windows"
        ? scaled(server.count, 1000 / server.window)
        : undefined
  return figure(title, [
    timeline(
      pools === 1 ? "workers" : `workers of all ${pools} pools`,
      [
        ...(pools === 1 ? [{ label: "in flight", color: "gray", points: thin(inFlight), stepped: true } as const] : []),
        {
          label: "size",
          color: "blue",
          points: steps(result.totalSizes),
          stepped: true
        },
        { label: "best size", color: "orange", points: steps(result.oracleSizes), dashed: true, stepped: true },
        ...(server.limit === undefined
          ? []
          : [
              {
                label: "rejects beyond",
                color: "purple",
                points: steps(server.limit),
                dashed: true,
                stepped: true
              } as const
            ])
      ],
      label
    ),
    timeline(
      "run time, milliseconds",
      [
        { label: "mean of the window", color: "purple", points: thin(runTimes) },
        { label: "base", color: "green", points: thin(bases) }
      ],
      label
    ),
    timeline(
      "tasks per second",
      [
        ...(load.kind === "open"
          ? [{ label: "offered", color: "gray", points: steps(scaled(load.rate, pools)), stepped: true } as const]
          : []),
        ...(granted === undefined
          ? []
          : [{ label: "granted", color: "purple", points: steps(granted), dashed: true, stepped: true } as const]),
        { label: "succeeded", color: "green", points: perSecond(result.goodPerSecond) },
        { label: "at best size", color: "orange", points: perSecond(result.oraclePerSecond), dashed: true },
        { label: "failed", color: "red", points: perSecond(result.overloadsPerSecond) }
      ],
      label
    )
  ])
}

/** The number of bins of a line, each about 4 pixels wide: more points would hardly be seen. */
const bins = 95

/** Keeps the lowest and the highest point of each bin, so that no spike is lost, the first and the last point, and gaps. */
const thin = (points: Points): Points => {
  if (points.length <= 2 * bins) return points
  const size = Math.ceil(points.length / bins)
  const kept = new Set([points[0]!, points.at(-1)!])
  for (let from = 0; from < points.length; from += size) {
    const drawn = points.slice(from, from + size).filter((point) => !isGap(point))
    drawn.sort((a, b) => a[1] - b[1])
    for (const point of [drawn[0], drawn.at(-1)]) if (point !== undefined) kept.add(point)
  }
  return points.filter((point, index) => kept.has(point) || isGap(point) || isGap(points[index + 1]))
}

const isGap = (point: readonly [x: number, y: number] | undefined): boolean => Number.isNaN(point?.[1] ?? 0)

/** Returns the mean of each `count` seconds, at their middle. */
const smooth = (values: ReadonlyArray<number>, count: number): Points =>
  Array.from({ length: Math.floor(values.length / count) }, (_, index) => {
    const part = values.slice(index * count, (index + 1) * count)
    return [(index + 0.5) * count, part.reduce((sum, value) => sum + value, 0) / count] as const
  })

const listed = (values: Steps): ReadonlyArray<readonly [from: number, value: number]> =>
  typeof values === "number" ? [[0, values]] : values

const stepsUntil = (end: number, values: Steps): Points => {
  const inside = listed(values).filter(([time]) => time < end)
  return [...inside, [end, inside.at(-1)![1]]]
}

const scaled = (values: Steps, factor: number): Steps => listed(values).map(([time, value]) => [time, value * factor])

/** Returns the mean tasks in flight of each window over its time, with gaps where nothing was measured. */
const inFlightOf = (windows: ReadonlyArray<SimulatedWindow>): Points =>
  windows.flatMap(({ sample, time }, index) => {
    const begin = [time - sample.duration, sample.avgInflight] as const
    const next = windows[index + 1]
    const gap = next !== undefined && next.time - next.sample.duration > time + longestGap
    return gap ? [begin, [time, sample.avgInflight] as const, [time, NaN] as const] : [begin]
  })

/** A pause up to this many milliseconds is drawn as part of the window before. */
const longestGap = 2_000
