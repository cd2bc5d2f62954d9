// Accepts long jobs with 202, tells their state at their own address, and cancels them with DELETE.
import { AioFixedTaskPoolSimple, TaskPool, type TaskHandle } from "@aio-task-pool/core"
import { Effect, Exit, Option } from "effect"
import { once } from "node:events"
import { createServer, type IncomingMessage } from "node:http"
import type { AddressInfo } from "node:net"
import { setTimeout as sleep } from "node:timers/promises"

let count = 0
const jobs = new Map<string, TaskHandle<string, unknown>>()

// Simulates a report that takes a while.
const report = (name: string) => Effect.promise((signal) => sleep(1000, `report on ${name}`, { signal }))

const route = Effect.fnUntraced(function* ({ method, url }: IncomingMessage) {
  if (method === "POST") {
    const accepted = yield* Effect.option(TaskPool.submitNowait(report(url!.slice(1))))
    if (Option.isNone(accepted)) return { status: 503, body: "try again later" }
    const path = `/jobs/${++count}`
    jobs.set(path, accepted.value)
    return { status: 202, body: path }
  }
  const job = jobs.get(url!)
  if (job === undefined) return { status: 404, body: "no such job" }
  if (method === "DELETE") return yield* Effect.as(job.cancel, { status: 204, body: "" })
  const exit = yield* job.poll
  if (Option.isNone(exit)) return { status: 200, body: yield* job.state }
  return Exit.isSuccess(exit.value) ? { status: 200, body: exit.value.value } : { status: 410, body: "no report" }
})

/** What a client does: it asks for four reports, cancels one and waits for the first. */
const client = async (origin: string) => {
  const call = async (method: string, path: string) => {
    const response = await fetch(origin + path, { method })
    const body = await response.text()
    console.log(`${method} ${path} -> ${response.status} ${body}`.trimEnd())
    return body
  }
  for (const name of ["sales", "stock", "staff", "taxes"]) await call("POST", `/${name}`)
  await call("GET", "/jobs/2")
  await call("DELETE", "/jobs/3")
  await call("GET", "/jobs/3")
  while ((await (await fetch(`${origin}/jobs/1`)).text()) === "Running") await sleep(20)
  await call("GET", "/jobs/1")
}

const main = Effect.gen(function* () {
  const context = yield* Effect.context<TaskPool>()
  const server = createServer(async (request, response) => {
    const { body, status } = await Effect.runPromiseWith(context)(route(request))
    response.writeHead(status).end(body)
  }).listen(0)
  yield* Effect.promise(() => once(server, "listening"))
  yield* Effect.promise(() => client(`http://localhost:${(server.address() as AddressInfo).port}`))
  server.close()
})

// One report at a time, and two wait.
await Effect.runPromise(Effect.provide(main, AioFixedTaskPoolSimple.layer(1, { capacity: 2 })))
