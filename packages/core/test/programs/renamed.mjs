// Loads the core on a copy of effect in which one private field has another name, and runs a pool on it.
// Prints whether the core takes the runtime for the one it knows, and what the pool did.
import { registerHooks } from "node:module"

const [, , field, core] = process.argv
registerHooks({
  load(url, context, nextLoad) {
    const loaded = nextLoad(url, context)
    if (!/effect[/]dist[/].*\.js$/.test(url) || loaded.source === undefined || loaded.source === null) return loaded
    const source = typeof loaded.source === "string" ? loaded.source : new TextDecoder().decode(loaded.source)
    if (!source.includes(field)) return loaded
    return { ...loaded, source: source.replaceAll(new RegExp(`(?<![\\w$])${field}(?![\\w$])`, "g"), `${field}Renamed`) }
  }
})

const { hasKnownRuntime } = await import(new URL("internal/runtime/probe.js", core))
const { AioFixedTaskPoolSimple, TaskPool } = await import(new URL("index.js", core))
// The index of effect would load many more modules.
const Effect = await import("effect/Effect")
const Fiber = await import("effect/Fiber")

const program = Effect.gen(function* () {
  const submitted = yield* Effect.forEach([1, 2, 3], (n) => TaskPool.submit(Effect.as(Effect.yieldNow, n)), {
    concurrency: "unbounded"
  })
  const mapped = yield* TaskPool.forEach([4, 5], (n) => Effect.as(Effect.yieldNow, n))
  const held = yield* Effect.forkChild(TaskPool.submit(Effect.never), { startImmediately: true })
  yield* Fiber.interrupt(held)
  const { interrupted, running, succeeded } = yield* TaskPool.stats
  let ranAfterCancel = false
  const blocker = yield* TaskPool.fork(Effect.yieldNow)
  const other = yield* TaskPool.fork(Effect.yieldNow)
  const handle = yield* TaskPool.fork(() => {
    Effect.runFork(handle.cancel)
    return Effect.sync(() => (ranAfterCancel = true))
  })
  yield* Effect.all([blocker.await, other.await, handle.await])
  return { submitted, mapped, interrupted, running, succeeded, ranAfterCancel }
})
console.log(
  JSON.stringify({
    hasKnownRuntime,
    ...(await Effect.runPromise(Effect.provide(program, AioFixedTaskPoolSimple.layer(2))))
  })
)
