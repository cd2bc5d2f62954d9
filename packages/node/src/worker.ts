/**
 * The program of a worker thread: takes jobs from the ring in order, one at a time, and answers each.
 *
 * `NodeExecutor` starts it. It imports nothing heavy, because every thread and every replacement of a thread waits for
 * it. `internal/protocol.ts` describes the protocol of the two sides.
 *
 * Between jobs the thread spins for a moment and then sleeps on a word of the ring, which wakes much faster than an
 * event loop. While a job has left timers, sockets or unwritten output behind, the thread waits in the event loop
 * instead, because these need it.
 *
 * User code runs in a job, in its module, and whenever a promise (`then`), a result or an error of a job is read,
 * because it may have getters or be a proxy. All of this runs inside a guard before the answer is written, and what it
 * throws becomes the answer. Work that a job left behind runs in the event loop. What that work throws ends the thread,
 * which the main thread notices.
 */
import {
  describeThrown,
  explainUncloneable,
  findFunction,
  functionNames,
  messageOf,
  transferredBy
} from "@aio-task-pool/core/Job"
import { clearTimeout, setImmediate, setTimeout } from "node:timers"
import { type MessagePort, receiveMessageOnPort, type Transferable, workerData } from "node:worker_threads"
import { encode } from "./internal/errorCodec.ts"
import { makeLoader } from "./internal/loading.ts"
import * as protocol from "./internal/protocol.ts"

type Fn = (...args: ReadonlyArray<unknown>) => unknown
interface Known {
  readonly url: string
  readonly name: string
  fn: Fn | undefined
}

const { depth, memory, port: given, preload, spin } = workerData as protocol.Start
const port = given as MessagePort
// Jobs can read `workerData` too. A job that closed this port, or wrote to this memory, would break the executor.
for (const key of Object.keys(workerData)) delete workerData[key]
const ring = protocol.ringOf(memory)
const { doubles, words } = ring
const now = protocol.makeClock()
const loadModule = makeLoader(depth, () => busy)
let busy = false

/**
 * How long the thread works, or first sleeps, without a turn of the event loop for work that jobs left behind, in ms.
 */
const eventLoopMillis = 2
/** The number of sleeps after which a thread that no longer spins tries it again. */
const sleepsBetweenSpins = 64
/**
 * How soon a thread that waits in the event loop checks whether it still must, in ms. Each check in a row doubles the
 * interval, up to the longest, because work that a job left behind may never end.
 */
const firstRecheck = 25
const longestRecheck = 10_000
// Saved before a job can replace them.
const { exit } = process
const activeResources = process.getActiveResourcesInfo

// Messages that the event loop delivered while an async job was awaited. They are older than any still in the port.
const inbox: Array<protocol.Request | Unreadable | null> = []
let wake: (() => void) | undefined

class Unreadable {
  readonly error: unknown
  constructor(error: unknown) {
    this.error = error
  }
}

port.on("message", (message: protocol.Request | null) => {
  if (message !== null) inbox.push(message)
  wake?.()
})
port.on("messageerror", (error) => {
  inbox.push(new Unreadable(error))
  wake?.()
})

const takeRequest = (): protocol.Request | Unreadable => {
  const early = inbox.shift()
  if (early !== undefined && early !== null) return early
  for (;;) {
    try {
      const received = receiveMessageOnPort(port)
      if (received === undefined) return new Unreadable(new Error("the request did not arrive"))
      if (received.message !== null) return received.message as protocol.Request
    } catch (error) {
      return new Unreadable(error)
    }
  }
}

const jobs: Array<Known> = []
/** Whether a job, which may have printed something, has run since the thread last checked for output. */
let hasPrinted = false

/** Serves the n-th request. Returns a promise if its job is async. */
const serve = (n: number): void | Promise<void> => {
  const state = protocol.stateOf(n)
  const job = words[protocol.jobOf(n)]!
  const form = words[protocol.formOf(n)]!
  doubles[protocol.startOf(n)] = now()
  // Written once, not for each job: the main thread writes to the same cache line.
  if (!hasPrinted) Atomics.store(words, protocol.OUTPUT, protocol.Unknown)
  hasPrinted = true
  const begun = Atomics.compareExchange(words, state, protocol.Queued, protocol.Started) === protocol.Queued
  let args: ReadonlyArray<unknown>
  if (form === protocol.InSlot) {
    if (!begun) return skip(state)
    args = protocol.readValues(ring, n)
  } else {
    // The message of a revoked request has been sent too, and may contain the job's address.
    const request = takeRequest()
    if (request instanceof Unreadable) {
      if (!begun) return skip(state)
      return send(n, { kind: "notCloneable", direction: "argument", path: "", reason: messageOf(request.error) })
    }
    if (request[1] !== undefined) jobs[job] ??= { url: request[1], name: request[2]!, fn: undefined }
    if (!begun) return skip(state)
    args = request[0]
  }
  const known = jobs[job]!
  const each = form === protocol.ItemsByPort
  if (known.fn === undefined) {
    return load(n, known).then((problem) => {
      if (problem !== undefined) return send(n, problem)
      // The time to load the module is not part of the job's run time.
      doubles[protocol.startOf(n)] = now()
      return call(n, known.fn!, args, each)
    })
  }
  return call(n, known.fn, args, each)
}

const skip = (state: number): void => {
  Atomics.store(words, state, protocol.Skipped)
  signal()
}

const call = (n: number, fn: Fn, args: ReadonlyArray<unknown>, each: boolean): void | Promise<void> => {
  let result: unknown
  try {
    result = each ? callEach(fn, args) : fn(...args)
    if (isPromise(result)) return settleLater(n, result)
  } catch (cause) {
    return threw(n, cause)
  }
  return settle(n, result)
}

// A new promise, because a job's own `then` may call back twice or throw.
const settleLater = (n: number, result: PromiseLike<unknown>): Promise<void> =>
  new Promise((resolve) => resolve(result)).then(
    (value) => settle(n, value),
    (cause: unknown) => threw(n, cause)
  )

const callEach = (fn: Fn, items: ReadonlyArray<unknown>): unknown => {
  const results: Array<unknown> = []
  for (let i = 0; i < items.length; i++) {
    const result = fn(items[i])
    if (isPromise(result)) return awaitEach(fn, items, results, result)
    results.push(result)
  }
  return results
}

const awaitEach = async (
  fn: Fn,
  items: ReadonlyArray<unknown>,
  results: Array<unknown>,
  first: PromiseLike<unknown>
): Promise<ReadonlyArray<unknown>> => {
  results.push(await first)
  while (results.length < items.length) results.push(await fn(items[results.length]))
  return results
}

const threw = (n: number, cause: unknown): void => send(n, { kind: "threw", cause: encode(cause) })

const settle = (n: number, result: unknown): void => {
  if (protocol.writeResult(ring, n, result)) {
    doubles[protocol.endOf(n)] = now()
    Atomics.store(words, protocol.stateOf(n), protocol.Done)
    return signal()
  }
  let transfer: ReadonlyArray<object> | undefined
  try {
    transfer = transfersOf(result)
    doubles[protocol.endOf(n)] = now()
    // Throws before anything is sent.
    port.postMessage([result] satisfies protocol.Answer, (transfer ?? []) as ReadonlyArray<Transferable>)
  } catch (error) {
    send(n, { kind: "notCloneable", direction: "result", ...explainUncloneable(result, transfer, error) })
  }
}

/** Answers by the port. The message answers the oldest started slot. */
const send = (n: number, answer: protocol.Answer): void => {
  doubles[protocol.endOf(n)] = now()
  port.postMessage(answer)
}

/** Wakes the main thread, unless it was woken and has not read the answers yet. */
const signal = (): void => {
  if (Atomics.exchange(words, protocol.SIGNALLED, 1) === 0) port.postMessage(null)
}

const transfersOf = (result: unknown): ReadonlyArray<object> | undefined => {
  // Each result of a chunk may transfer objects.
  const own = transferredBy(result)
  if (own !== undefined || !Array.isArray(result)) return own
  const inner = result.flatMap((item) => transferredBy(item) ?? [])
  return inner.length === 0 ? undefined : inner
}

const load = async (n: number, known: Known): Promise<protocol.Answer | undefined> => {
  const { name, url } = known
  try {
    const module = await loadModule(url, (error) => {
      // The module is a program that runs a second time here. The thread exits before the program does anything else.
      send(n, { kind: "notFound", reason: error.message, cause: encode(error), final: true })
      exit()
    })
    known.fn = findFunction(module, name)
    if (known.fn !== undefined) return undefined
    const names = functionNames(module).join(", ")
    const reason = `${url} has no function of that name (its functions: ${names})`
    return { kind: "notFound", reason, cause: undefined }
  } catch (cause) {
    return { kind: "notFound", reason: `${url} cannot be loaded: ${describeThrown(cause)}`, cause: encode(cause) }
  }
}

const isPromise = (value: unknown): value is PromiseLike<unknown> =>
  typeof value === "object" && value !== null && typeof (value as any).then === "function"

const eventLoopTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

/** The number of resources that need the event loop before any job has run. */
const atRest = activeResources().length
const isNeeded = (): boolean => {
  const writing = isWriting()
  Atomics.store(words, protocol.OUTPUT, writing ? protocol.Unwritten : protocol.Written)
  hasPrinted = false
  return writing || activeResources().length > atRest
}
const isWriting = (): boolean => process.stdout.writableLength > 0 || process.stderr.writableLength > 0

const isLeaving = (): boolean => Atomics.load(words, protocol.LEAVING) !== 0

const isIdle = (n: number): boolean => Atomics.load(words, protocol.POSTED) === n

/** How long the thread spins, in ms. */
let spinMillis = spin
let sleeps = 0

/**
 * Spins until there is a request after the n-th. If the next job arrives soon, the main thread need not wake this one,
 * and this one need not wait for a processor. Each time no job arrives, the thread spins half as long, and after a few
 * times only rarely, as adaptive locks do.
 */
const spinForRequest = (n: number): boolean => {
  if (spin === 0) return false
  if (spinMillis < spin / 8) {
    if (++sleeps < sleepsBetweenSpins) return false
    sleeps = 0
    spinMillis = spin / 2
  }
  const end = now() + spinMillis
  do {
    // Reading the clock takes as long as many of these checks.
    for (let i = 0; i < 32; i++) {
      if (isIdle(n)) continue
      spinMillis = spin
      return true
    }
  } while (now() < end)
  spinMillis /= 2
  return false
}

/** Sleeps on the ring until there is a request after the n-th, at most `timeout` milliseconds. */
const sleep = (n: number, timeout?: number): void => {
  Atomics.store(words, protocol.SLEEPING, protocol.InWait)
  // A request posted before the line above did not wake this thread, but it changed the word, so the wait ends at once.
  if (!isLeaving()) Atomics.wait(words, protocol.POSTED, n, timeout)
  Atomics.store(words, protocol.SLEEPING, protocol.Awake)
}

const waitInEventLoop = async (n: number, timeout: number): Promise<void> => {
  Atomics.store(words, protocol.SLEEPING, protocol.InEventLoop)
  if (isIdle(n) && !isLeaving()) {
    let timer: NodeJS.Timeout | undefined
    await new Promise<void>((resolve) => {
      wake = resolve
      timer = setTimeout(resolve, timeout)
    })
    wake = undefined
    clearTimeout(timer)
  }
  Atomics.store(words, protocol.SLEEPING, protocol.Awake)
}

const leave = async (): Promise<void> => {
  Atomics.store(words, protocol.LEAVING, protocol.Writing)
  while (isWriting()) await eventLoopTurn()
  exit()
}

const loadBeforehand = async (url: string): Promise<void> => {
  try {
    await loadModule(url, (error) => {
      port.postMessage({ kind: "unable", cause: encode(error) } satisfies protocol.Message)
      exit()
    })
  } catch (cause) {
    const text = `${url} cannot be loaded beforehand`
    port.postMessage({ kind: "log", text, cause: encode(cause) } satisfies protocol.Message)
  }
}

const main = async (): Promise<never> => {
  await Promise.all(preload.map(loadBeforehand))
  Atomics.store(words, protocol.READY, 1)
  port.postMessage(null)
  let n = 0
  let lastTurn = now()
  let needed = false
  let recheck = firstRecheck
  for (;;) {
    if (isLeaving()) await leave()
    while (!isIdle(n)) {
      busy = true
      const pending = serve(n)
      if (pending !== undefined) await pending
      busy = false
      const ended = doubles[protocol.endOf(n)]!
      n = (n + 1) | 0
      if (ended - lastTurn > eventLoopMillis) {
        await eventLoopTurn()
        lastTurn = now()
      }
      recheck = firstRecheck
    }
    if (!needed) {
      if (spinForRequest(n)) continue
      sleep(n, eventLoopMillis)
      if (!isIdle(n)) continue
    }
    await eventLoopTurn()
    lastTurn = now()
    needed = isNeeded()
    if (!needed) {
      recheck = firstRecheck
      sleep(n)
    } else {
      await waitInEventLoop(n, recheck)
      // The process may be waiting for this output before it exits, so the interval does not grow.
      recheck = isWriting() ? firstRecheck : Math.min(2 * recheck, longestRecheck)
    }
  }
}

void main()
