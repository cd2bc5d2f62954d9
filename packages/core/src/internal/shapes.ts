/**
 * One instance of each class of the hot path, kept forever.
 *
 * V8 drops a hidden class when its last object is collected, and with it the compiled code that relies on the class. A
 * program that makes pools rarely, or whose pool is idle during a garbage collection, would then run its next tasks
 * slowly: 50,000 tasks in a new pool took up to 1.8 times as long.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import { fifo, lifo, priority, type QueueDiscipline } from "../QueueDiscipline.ts"
import { Bulk, BulkTask } from "./bulk/bulk.ts"
import { sourceOf } from "./bulk/source.ts"
import { Machine } from "./pool/machine.ts"
import { Fork, Submit } from "./pool/submit.ts"
import { Task } from "./pool/task.ts"

const kept: Array<object> = []

/** Makes the instances when a program makes its first pool. */
export const keepShapes = (): void => {
  if (kept.length > 0) return
  const machine = machineOf(fifo)
  const task = new Task(machine, Effect.void, undefined, 4, Context.empty())
  const bulk = new Bulk(
    machine,
    {
      where: "",
      source: sourceOf("", []),
      items: [],
      f: () => Effect.void,
      weight: 4,
      itemOptions: undefined,
      collect: "discard",
      span: undefined
    },
    Context.empty(),
    () => {}
  )
  // Otherwise the async context of the code that made the first pool would never be released.
  Object.assign(bulk, { asyncContext: undefined })
  const calls = [new Submit(machine, "", Effect.void, undefined), new Fork(() => task, false)]
  kept.push(machine, machineOf(lifo), machineOf(priority), task, bulk, new BulkTask(bulk), ...calls)
}

const machineOf = (discipline: QueueDiscipline): Machine =>
  new Machine(
    {
      name: "",
      kind: "",
      spans: "none",
      discipline,
      min: 0,
      max: 0,
      initial: 0,
      isFixed: true,
      capacity: 0,
      onFull: "fail",
      startPaused: false,
      nested: "lend",
      rates: [],
      perKey: Infinity,
      ageing: undefined
    },
    Context.empty()
  )
