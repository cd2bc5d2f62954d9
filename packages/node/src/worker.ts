/**
 * What runs on a worker thread: takes jobs from the ring in order, one at a time, and answers each.
 *
 * It is started by `NodeExecutor` and imports nothing heavy, because every thread and every replacement of a thread waits
 * for it. `internal/protocol.ts` says what the two sides promise each other.
 *
 * Between jobs the thread looks out for the next one for a moment, and then sleeps on a word of the ring, which is much
 * quicker to wake than an event loop. It never sleeps so while something that a job left behind needs the event loop:
 * timers, sockets, output that is not written yet. Then it waits in the event loop instead.
 */
import { findFunction, findUncloneable, functionNames, transferredBy } from "@aio-task-pool/core/Job"
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

const start = workerData as protocol.Start
const port = start.port as MessagePort
const ring = protocol.ringOf(start.memory)
const { doubles, words } = ring
const now = protocol.makeClock()
const loadModule = makeLoader(start.depth, () => busy)
const { exit } = process
let busy = false

/** How long the thread sleeps before it looks after what jobs left behind, and how long it may work without, in ms. */
const patience = 2
/** After how many sleeps a thread that has given up looking out tries it again. */
const sleepsBetweenTries = 64
/** How often a thread that waits in the event loop looks whether it still must, in ms. */
const recheck = 25

// What the event loop delivered while an async job was awaited; older than anything still in the port.
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

/** Serves the n-th request; answers a promise when its job is async. */
const serve = (n: number): void | Promise<void> => {
  const state = protocol.stateOf(n)
  const job = words[protocol.jobOf(n)]!
  const form = words[protocol.formOf(n)]!
  doubles[protocol.startOf(n)] = now()
  const begun = Atomics.compareExchange(words, state, protocol.Queued, protocol.Started) === protocol.Queued
  let args: ReadonlyArray<unknown>
  if (form === protocol.InSlot) {
    if (!begun) return skip(state)
    args = protocol.readValues(ring, n)
  } else {
    // A revoked request has been sent all the same, and may have brought the job's address.
    const request = takeRequest()
    if (request instanceof Unreadable) {
      if (!begun) return skip(state)
      const reason = request.error instanceof Error ? request.error.message : String(request.error)
      return send(n, { kind: "notCloneable", direction: "argument", path: "", reason })
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
      // Loading the module is not the job's own time.
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
  if (each) return callEach(n, fn, args)
  let result: unknown
  try {
    result = fn(...args)
  } catch (cause) {
    return send(n, { kind: "threw", cause: encode(cause) })
  }
  if (!isPromise(result)) return settle(n, result)
  return Promise.resolve(result).then(
    (value) => settle(n, value),
    (cause: unknown) => send(n, { kind: "threw", cause: encode(cause) })
  )
}

const callEach = (n: number, fn: Fn, items: ReadonlyArray<unknown>): void | Promise<void> => {
  const results: Array<unknown> = []
  try {
    for (let i = 0; i < items.length; i++) {
      const result = fn(items[i])
      if (isPromise(result)) return awaitEach(n, fn, items, results, result)
      results.push(result)
    }
  } catch (cause) {
    return send(n, { kind: "threw", cause: encode(cause) })
  }
  return settle(n, results)
}

const awaitEach = async (
  n: number,
  fn: Fn,
  items: ReadonlyArray<unknown>,
  results: Array<unknown>,
  first: PromiseLike<unknown>
): Promise<void> => {
  try {
    results.push(await first)
    while (results.length < items.length) results.push(await fn(items[results.length]))
  } catch (cause) {
    return send(n, { kind: "threw", cause: encode(cause) })
  }
  return settle(n, results)
}

const settle = (n: number, result: unknown): void => {
  if (protocol.writeResult(ring, n, result)) {
    doubles[protocol.endOf(n)] = now()
    Atomics.store(words, protocol.stateOf(n), protocol.Done)
    return signal()
  }
  if (isGenerator(result)) {
    const reason = "a generator cannot leave its thread"
    return send(n, { kind: "notCloneable", direction: "result", path: "", reason })
  }
  const transfer = transfersOf(result)
  try {
    doubles[protocol.endOf(n)] = now()
    port.postMessage([result] satisfies protocol.Answer, (transfer ?? []) as ReadonlyArray<Transferable>)
  } catch (error) {
    const path = findUncloneable(result, transfer)?.path ?? ""
    const reason = error instanceof Error ? error.message : String(error)
    send(n, { kind: "notCloneable", direction: "result", path, reason })
  }
}

/** Answers by the port. The message itself says that the oldest started slot has its answer. */
const send = (n: number, answer: protocol.Answer): void => {
  doubles[protocol.endOf(n)] = now()
  port.postMessage(answer)
}

/** Wakes the main thread, unless it was woken and has not looked yet. */
const signal = (): void => {
  if (Atomics.exchange(words, protocol.SIGNALLED, 1) === 0) port.postMessage(null)
}

const transfersOf = (result: unknown): ReadonlyArray<object> | undefined => {
  // The results of a chunk may each hand something over.
  const own = transferredBy(result)
  if (own !== undefined || !Array.isArray(result)) return own
  const inner = result.flatMap((item) => transferredBy(item) ?? [])
  return inner.length === 0 ? undefined : inner
}

const load = async (n: number, known: Known): Promise<protocol.Answer | undefined> => {
  const { name, url } = known
  try {
    const module = await loadModule(url, (error) => {
      // What else the program does must not happen a second time.
      send(n, { kind: "notFound", reason: error.message, cause: encode(error), final: true })
      exit()
    })
    known.fn = findFunction(module, name)
    if (known.fn !== undefined) return undefined
    const names = functionNames(module).join(", ")
    const reason = `${url} has no function of that name (its functions: ${names})`
    return { kind: "notFound", reason, cause: undefined }
  } catch (cause) {
    return { kind: "notFound", reason: `${url} cannot be loaded: ${String(cause)}`, cause: encode(cause) }
  }
}

const isPromise = (value: unknown): value is PromiseLike<unknown> =>
  typeof value === "object" && value !== null && typeof (value as any).then === "function"

const isGenerator = (value: unknown): boolean => /Generator/.test(Object.prototype.toString.call(value))

const eventLoopTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

/** What the event loop must be awake for, beyond the port itself. */
const atRest = process.getActiveResourcesInfo().length
const isNeeded = (): boolean => process.getActiveResourcesInfo().length > atRest || isWriting()
const isWriting = (): boolean => process.stdout.writableLength > 0 || process.stderr.writableLength > 0

const isLeaving = (): boolean => Atomics.load(words, protocol.LEAVING) === 1

const isIdle = (n: number): boolean => Atomics.load(words, protocol.POSTED) === n

/** How long it looks out, in ms. */
let lookout = start.spin
let sleeps = 0

/**
 * Looks out for a request after the n-th. Where the next job comes soon, that saves the main thread the call that wakes
 * this one, and this one the time until it has a processor again. Where it does not, the thread tries half as long, and
 * soon only now and then: as adaptive locks do.
 */
const lookOut = (n: number): boolean => {
  if (start.spin === 0) return false
  if (lookout < start.spin / 8) {
    if (++sleeps < sleepsBetweenTries) return false
    sleeps = 0
    lookout = start.spin / 2
  }
  const end = now() + lookout
  do {
    // A look at the clock takes as long as many of these.
    for (let i = 0; i < 32; i++) {
      if (isIdle(n)) continue
      lookout = start.spin
      return true
    }
  } while (now() < end)
  lookout /= 2
  return false
}

/** Sleeps on the ring until there is a request after the n-th, for `timeout` at most. */
const sleep = (n: number, timeout?: number): void => {
  Atomics.store(words, protocol.SLEEPING, protocol.InWait)
  // A request that came before the line above woke nobody; with it the word has another value and the wait ends at once.
  if (!isLeaving()) Atomics.wait(words, protocol.POSTED, n, timeout)
  Atomics.store(words, protocol.SLEEPING, protocol.Awake)
}

const waitInEventLoop = async (n: number): Promise<void> => {
  Atomics.store(words, protocol.SLEEPING, protocol.InEventLoop)
  if (isIdle(n) && !isLeaving()) {
    let timer: NodeJS.Timeout | undefined
    await new Promise<void>((resolve) => {
      wake = resolve
      timer = setTimeout(resolve, recheck)
    })
    wake = undefined
    clearTimeout(timer)
  }
  Atomics.store(words, protocol.SLEEPING, protocol.Awake)
}

const main = async (): Promise<never> => {
  const stop = (error: Error): void => {
    port.postMessage({ kind: "unable", cause: encode(error) } satisfies protocol.Answer)
    exit()
  }
  await Promise.allSettled(start.preload.map((url) => loadModule(url, stop)))
  port.postMessage({ kind: "ready" } satisfies protocol.Answer)
  let n = 0
  let lastTurn = now()
  let needed = false
  for (;;) {
    if (isLeaving()) {
      while (isWriting()) await eventLoopTurn()
      process.exit()
    }
    while (!isIdle(n)) {
      busy = true
      const pending = serve(n)
      if (pending !== undefined) await pending
      busy = false
      const ended = doubles[protocol.endOf(n)]!
      n = (n + 1) | 0
      if (ended - lastTurn > patience) {
        await eventLoopTurn()
        lastTurn = now()
      }
    }
    if (!needed) {
      if (lookOut(n)) continue
      sleep(n, patience)
      if (!isIdle(n)) continue
    }
    await eventLoopTurn()
    lastTurn = now()
    needed = isNeeded()
    if (needed) await waitInEventLoop(n)
    else sleep(n)
  }
}

void main()
