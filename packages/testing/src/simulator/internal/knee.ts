/**
 * Finds the oracle's sizes: for each phase of a server, the smallest fixed size with the highest goodput and at most 1 %
 * overload failures. Runs the phase at different sizes on the same tasks.
 */
import type { AutoScalePolicy } from "@aio-task-pool/core"
import type { ServerModel, Steps } from "../ServerModel.ts"
import { backlog, changes, valueAt } from "../ServerModel.ts"
import { run } from "./engine.ts"
import { loadOf } from "./server.ts"

export const kneeOf = (server: ServerModel, bounds: AutoScalePolicy.AutoScaleBounds, duration: number): Steps => {
  const times = changes(loadOf(server), server.limit, server.base).filter((time) => time < duration)
  const found = new Map<string, number>()
  const at = (time: number): readonly [number, number] => {
    const phase = constant(server, time)
    const key = JSON.stringify(phase)
    const knee = found.get(key) ?? sweep(phase, bounds)
    found.set(key, knee)
    return [time, knee]
  }
  return times.length === 0 ? at(0)[1] : [0, ...times].map(at)
}

/** The server as it is at `time`, without outages. */
const constant = (server: ServerModel, time: number): ServerModel => {
  const still = {
    base: valueAt(server.base, time),
    pace: undefined,
    outages: [],
    limit: server.limit === undefined ? undefined : valueAt(server.limit, time)
  }
  if (server.kind === "bucket") return { ...server, ...still, rate: valueAt(server.rate, time) }
  return server.kind === "windows"
    ? { ...server, ...still, count: valueAt(server.count, time) }
    : { ...server, ...still, capacity: valueAt(server.capacity, time) }
}

// Neighboring sizes differ by less than chance, so a size must be better by one in a thousand.
const clearly = 1.001

const sweep = (server: ServerModel, bounds: AutoScalePolicy.AutoScaleBounds): number => {
  const base = valueAt(server.base, 0)
  const goodput = (size: number): number => {
    const result = run({
      server,
      load: backlog,
      sizing: { schedule: size },
      bounds,
      seed: 1,
      duration: base * 500,
      knee: size,
      pools: 1,
      tasks: 20_000
    })
    const settled = result.succeeded[0]! + result.failed + result.overloaded
    return result.overloaded > 0.01 * settled ? 0 : result.succeeded[0]! / result.elapsed
  }
  // A coarse sweep finds the region, a fine one the size.
  let best = bounds.min
  let most = goodput(best)
  const consider = (size: number): void => {
    const value = goodput(size)
    if (value > most * clearly || (value * clearly >= most && value > 0 && size < best)) {
      most = Math.max(value, most)
      best = size
    }
  }
  const coarse: Array<number> = []
  for (let size = bounds.min; size <= bounds.max; size = Math.max(size + 1, Math.ceil(size * 1.15))) coarse.push(size)
  for (const size of coarse) consider(size)
  const place = coarse.indexOf(best)
  const from = coarse[place - 1] ?? bounds.min
  const to = coarse[place + 1] ?? bounds.max
  for (let size = from; size <= to; size++) if (size !== best) consider(size)
  return best
}
