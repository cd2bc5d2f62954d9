/** The programs of the source document, and what they print. */
import { fileURLToPath } from "node:url"
import type * as NodeServices from "@effect/platform-node/NodeServices"
import { Effect, type Scope, Stream } from "effect"
import { ChildProcess } from "effect/process"
import * as contextManager from "../../src/seed/contextManager.ts"
import * as fork from "../../src/seed/fork.ts"
import * as pause from "../../src/seed/pause.ts"
import * as reopen from "../../src/seed/reopen.ts"
import * as scale from "../../src/seed/scale.ts"
import * as scaleHard from "../../src/seed/scaleHard.ts"
import * as sixPools from "../../src/seed/sixPools.ts"
import * as startClose from "../../src/seed/startClose.ts"
import * as submit from "../../src/seed/submit.ts"
import * as submitMany from "../../src/seed/submitMany.ts"
import * as submitWithWeight from "../../src/seed/submitWithWeight.ts"

export const examples: Record<
  string,
  { readonly program: Effect.Effect<unknown, unknown>; readonly lines: Array<string> }
> = {
  contextManager: {
    program: contextManager.program,
    lines: [
      "test pool size 3",
      "test 4 task with pool size 3",
      "test await blocking submit",
      "e start",
      "e done",
      "test await blocking submit",
      "scale 3",
      "test pool size 6"
    ]
  },
  startClose: {
    program: startClose.program,
    lines: [
      "test pool size 3",
      "test 4 task with pool size 3",
      "test await blocking submit",
      "e start",
      "e done",
      "test await blocking submit",
      "scale 3",
      "test pool size 6"
    ]
  },
  sixPools: {
    program: sixPools.program,
    lines: ["Fixed", "AutoScale"].flatMap((sizing) =>
      ["Simple", "Lifo", "Priority"].flatMap((discipline) => [
        `Aio${sizing}TaskPool${discipline} of size 3`,
        "e start",
        "e done",
        "ok:e done"
      ])
    )
  },
  reopen: {
    program: reopen.program,
    lines: [
      "a start",
      "a done",
      "b start",
      "b done",
      "closed after 2 tasks",
      "AioFixedTaskPoolSimple: the pool is closed and admits no task (0 running, 0 waiting)",
      "d start",
      "d done",
      "ok:d done"
    ]
  },
  submit: {
    program: submit.program,
    lines: ["e start", "e done", "ok:e done", "f start", "f done", "ok:f done"]
  },
  submitMany: {
    program: submitMany.program,
    lines: [
      "test pool size 3",
      "test 4 task with pool size 3",
      "c start",
      "b start",
      "a start",
      "c done",
      "d start",
      "b done",
      "a done",
      "d done",
      "ok:c done, ok:b done, ok:a done, ok:d done"
    ]
  },
  submitWithWeight: {
    program: submitWithWeight.program,
    lines: [
      "on the only worker start",
      "on the only worker done",
      "weight 1 start",
      "weight 1 done",
      "first of weight 4, the default start",
      "first of weight 4, the default done",
      "second of weight 4 start",
      "second of weight 4 done"
    ]
  },
  scale: { program: scale.program, lines: ["size 3", "scale 3: 6", "scale -1: 5", "scale -100: 0"] },
  scaleHard: {
    program: scaleHard.program,
    lines: [
      "oldest start",
      "middle start",
      "newest start",
      "size 2: newest ScaledDown, it had started",
      "oldest done",
      "middle done",
      "ok:middle done",
      "ok:oldest done",
      "size 1"
    ]
  },
  pause: {
    program: pause.program,
    lines: [
      "accepted start",
      "paused: true",
      "phase: Paused",
      "NotAvailable: AioFixedTaskPoolSimple: the pool is paused and admits no task (1 running, 0 waiting)",
      "accepted done",
      "ok:accepted done",
      "paused: false",
      "welcome start",
      "welcome done",
      "ok:welcome done"
    ]
  },
  fork: {
    program: fork.program,
    lines: [
      "running start",
      "Running, Waiting",
      "NotAvailable: AioFixedTaskPoolSimple: the queue is full (1 of 1 waiting, 1 running on 1 worker)",
      "running done",
      "waiting start",
      "ok:running done",
      "waiting done",
      "ok:waiting done"
    ]
  }
}

export const folder = fileURLToPath(new URL("../../src/seed/", import.meta.url))

/** The lines that a program prints when it is run by hand. */
export const printedByHand = (
  name: string
): Effect.Effect<Array<string>, unknown, NodeServices.NodeServices | Scope.Scope> =>
  ChildProcess.make(process.execPath, [`${folder}${name}.ts`], { stderr: "inherit" }).pipe(
    Effect.flatMap(({ stdout }) => stdout.pipe(Stream.decodeText(), Stream.splitLines, Stream.runCollect))
  )
