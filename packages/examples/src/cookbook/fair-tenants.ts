// One tenant sends 300 requests at once, and three small tenants send five each. The tenants take turns.
import { AioFixedTaskPoolSimple, TaskPool } from "@aio-task-pool/core"
import { Effect } from "effect"
import { openApi } from "./servers/api.ts"

const order: Array<string> = []
const api = await openApi({
  answer: (url) => {
    order.push(url.pathname.split("/")[1]!)
    return "done"
  }
})

const request = (tenant: string, id: number) =>
  Effect.promise(async (signal) => (await fetch(`${api.origin}/${tenant}/${id}`, { signal })).json())

const submit = (tenant: string, count: number) =>
  Effect.forEach(Array.from({ length: count }), (_, id) => TaskPool.fork(request(tenant, id), { key: tenant }), {
    discard: true
  })

const program = Effect.gen(function* () {
  yield* submit("flood", 300)
  for (const tenant of ["ada", "bob", "cyd"]) yield* submit(tenant, 5)
  const { running, waiting } = yield* TaskPool.statsOf("flood")
  console.log(`flood: ${running} run and ${waiting} wait when the small tenants arrive`)
  yield* TaskPool.awaitIdle
})

// Tenants take turns, and none has more than four of the six workers.
await Effect.runPromise(Effect.provide(program, AioFixedTaskPoolSimple.layer(6, { perKey: 4 })))

const lastSmall = Math.max(...["ada", "bob", "cyd"].map((tenant) => order.lastIndexOf(tenant))) + 1
console.log(`the last request of a small tenant was number ${lastSmall} of ${order.length}`)
