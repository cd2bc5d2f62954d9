/** Frames for tests, as a server would send them. */
import type { Frame, Hello, PoolDetail, PoolRow, Stats, TaskRow } from "../../src/Protocol.ts"

export const stats = (changes: Partial<Stats> = {}): Stats => ({
  phase: "Open",
  holds: [],
  size: 8,
  targetSize: 8,
  running: 3,
  busy: 3,
  lent: 0,
  waiting: 2,
  delayed: 0,
  atDoor: 0,
  capacity: null,
  nextStart: 0,
  submitted: 100,
  succeeded: 90,
  failed: 5,
  interrupted: 0,
  cancelled: 0,
  dropped: 0,
  rejected: 0,
  rejectedBy: {},
  largestSize: 8,
  ...changes
})

export const row = (id: string, changes: Partial<PoolRow> = {}): PoolRow => ({
  id,
  name: id,
  kind: "AioFixedTaskPoolSimple",
  state: "Open",
  stats: stats(),
  oldestWait: 4,
  queue: { p50: 2, p95: 10 },
  run: { p50: 30, p95: 64 },
  rates: { ended: 385, failed: 0, rejected: 0 },
  warnings: [],
  ...changes
})

export const task = (id: number, label: string, changes: Partial<TaskRow> = {}): TaskRow => ({
  id,
  label,
  weight: 4,
  state: "Running",
  waited: 5,
  ran: 1200,
  spanId: null,
  lent: false,
  attempt: 1,
  ...changes
})

export const detail = (id: string, changes: Partial<PoolDetail> = {}): PoolDetail => ({
  id,
  running: [task(1, "GET /users"), task(2, "GET /orders", { ran: 300, lent: true })],
  waiting: [task(3, "GET /prices", { state: "Waiting", ran: null, waited: 80, attempt: 0, weight: 1 })],
  omitted: { running: 0, waiting: 7, delayed: 0, door: 0 },
  decisions: [
    {
      at: 999_700,
      times: 1,
      from: 20,
      to: 21,
      reason: "GROW",
      sentence: "there is demand and run time has not risen",
      evidence: "p = 0.03"
    },
    { at: 998_200, times: 6, from: 20, to: 20, reason: "HOLD", sentence: "no evidence for a change", evidence: "" }
  ],
  events: [],
  workers: [],
  ...changes
})

export const frame = (pools: ReadonlyArray<PoolRow>, changes: Partial<Frame> = {}): Frame => ({
  at: 1_000_000,
  loop: 0.12,
  pools,
  executors: [],
  ...changes
})

export const hello = (changes: Partial<Hello> = {}): Hello => ({
  hz: 4,
  actions: true,
  history: 600,
  at: 1_000_000,
  sparks: {},
  ...changes
})
