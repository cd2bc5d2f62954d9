/**
 * A simulated run as a figure: the size beside the best one, the latency, and the tasks that succeeded.
 */
import type { SimulatedWindow, SimulateResult } from "@aio-task-pool/testing/Simulator"
import { figure, timeline } from "../figure.ts"

/** Draws a run. */
export const plot = (title: string, result: SimulateResult): string => {
  const windows = result.sizes.filter((window) => window.pool === 0)
  const every = (of: (window: SimulatedWindow) => number) =>
    windows.map((window) => [window.time / 1000, of(window)] as const)
  const seconds = (values: ReadonlyArray<number>) => values.map((value, i) => [i + 0.5, value] as const)
  const end = result.elapsed / 1000
  const sizes = typeof result.oracleSizes === "number" ? [[0, result.oracleSizes] as const] : result.oracleSizes
  const best = sizes.map(([time, size]) => [time / 1000, size] as const)
  return figure(title, [
    timeline("workers", [
      { label: "in flight", color: "gray", points: every(({ sample }) => sample.avgInflight) },
      { label: "size", color: "blue", points: every(({ decision }) => decision.size), stepped: true },
      {
        label: "best fixed size",
        color: "orange",
        points: [...best, [end, best.at(-1)![1]]],
        dashed: true,
        stepped: true
      }
    ]),
    timeline("run time, milliseconds", [
      { label: "mean of the window", color: "purple", points: every(({ sample }) => sample.runMean) },
      { label: "base", color: "green", points: every(({ decision }) => decision.evidence?.base ?? 0) }
    ]),
    timeline("tasks per second", [
      { label: "succeeded", color: "green", points: seconds(result.goodPerSecond) },
      { label: "at the best fixed size", color: "orange", points: seconds(result.oraclePerSecond), dashed: true }
    ])
  ])
}
