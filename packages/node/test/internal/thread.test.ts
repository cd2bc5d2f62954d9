import { type ExecutorCall, Job } from "@aio-task-pool/core"
import { assert, it } from "@effect/vitest"
import { Exit } from "effect"
import { MessageChannel, type Worker } from "node:worker_threads"
import * as protocol from "../../src/internal/protocol.ts"
import { type Task, Thread } from "../../src/internal/thread.ts"

// A thread whose other side is this test: it answers by hand, in every order that a real one may.
const make = () => {
  const memory = protocol.makeMemory()
  const { port1, port2 } = new MessageChannel()
  const thread = new Thread(undefined as unknown as Worker, port1, memory, 1)
  const { words } = protocol.ringOf(memory)
  return {
    thread,
    begin: (n: number) => Atomics.store(words, protocol.stateOf(n), protocol.Started),
    skip: (n: number) => Atomics.store(words, protocol.stateOf(n), protocol.Skipped),
    finish: (n: number, value: number) => {
      assert.isTrue(protocol.writeResult(protocol.ringOf(memory), n, value))
      Atomics.store(words, protocol.stateOf(n), protocol.Done)
    },
    send: (answer: protocol.Answer) => port2.postMessage(answer, []),
    close: () => port1.close()
  }
}

const info = {
  id: 0,
  url: "file:///jobs.ts",
  name: "job",
  mean: 0.001,
  retiresFrom: 0,
  retirePause: 0,
  refusal: undefined
}

const taskOf = (args: ReadonlyArray<unknown>): Task => {
  const job = Job.module<{ readonly job: () => void }>(info.url).job
  const call: ExecutorCall = {
    job,
    args,
    each: false,
    transfer: undefined,
    onInterrupt: "terminate",
    onTimes: undefined
  }
  const resume = (): void => undefined
  return {
    call,
    info,
    resume,
    submittedAt: 0,
    transfers: false,
    place: "Waiting",
    request: 0,
    estimate: 0.001,
    deaths: 0,
    previous: undefined,
    next: undefined
  }
}

const post = (thread: Thread, count: number): ReadonlyArray<Task> => {
  const tasks = Array.from({ length: count }, (_, i) => taskOf([i]))
  for (const task of tasks) assert.isUndefined(thread.post(task))
  return tasks
}

it("answers in the slot and by the port are matched with their jobs, in order", () => {
  const { begin, close, finish, send, thread } = make()
  const tasks = post(thread, 4)
  begin(0)
  finish(0, 10)
  begin(1)
  send(["eleven"])
  begin(2)
  send({ kind: "notFound", reason: "gone", cause: undefined })
  begin(3)
  thread.drainPort()
  const answered = thread.collect()
  assert.deepStrictEqual(
    answered.map(({ task }) => task),
    tasks.slice(0, 3)
  )
  assert.deepStrictEqual(answered[0]!.exit, Exit.succeed(10))
  assert.deepStrictEqual(answered[1]!.exit, Exit.succeed("eleven"))
  assert.isTrue(Exit.isFailure(answered[2]!.exit))
  assert.strictEqual(thread.live, 1)
  close()
})

it("a dead thread's answers are collected first; then one job had begun, and the others had not (T3)", () => {
  const { begin, close, send, thread } = make()
  const tasks = post(thread, 4)
  begin(0)
  send(["zero"])
  begin(1)
  const { answered, begun, waiting } = thread.takeAll()
  assert.deepStrictEqual(
    answered.map(({ task }) => task),
    [tasks[0]]
  )
  assert.strictEqual(begun, tasks[1])
  assert.deepStrictEqual(waiting, [tasks[2], tasks[3]])
  assert.strictEqual(thread.live, 0)
  close()
})

it("only a job that has not begun can be revoked, and its slot is free after the worker has passed it", () => {
  const { begin, close, finish, skip, thread } = make()
  const tasks = post(thread, 3)
  begin(0)
  assert.isFalse(thread.revoke(tasks[0]!))
  assert.isTrue(thread.revoke(tasks[1]!))
  assert.strictEqual(thread.live, 2)
  finish(0, 0)
  skip(1)
  begin(2)
  finish(2, 2)
  assert.deepStrictEqual(
    thread.collect().map(({ exit }) => exit),
    [Exit.succeed(0), Exit.succeed(2)]
  )
  close()
})

it("the ring is full at its size, and wraps around", () => {
  const { begin, close, finish, thread } = make()
  for (let round = 0; round < 3; round++) {
    const first = round * protocol.SLOTS
    post(thread, protocol.SLOTS)
    assert.isFalse(thread.hasRoom)
    for (let n = first; n < first + protocol.SLOTS; n++) {
      begin(n)
      finish(n, n)
    }
    assert.deepStrictEqual(
      thread.collect().map(({ exit }) => exit),
      Array.from({ length: protocol.SLOTS }, (_, i) => Exit.succeed(first + i))
    )
    assert.isTrue(thread.hasRoom)
  }
  close()
})
