import { AioFixedTaskPoolSimple, PoolRegistry } from "@aio-task-pool/core"
import { DistributedTaskPool } from "@aio-task-pool/distributed"
import { expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import { describe } from "vitest"
import { type Answer, send } from "./support/http.ts"
import { isolated, open, pool } from "./support/program.ts"

const token = "c2VjcmV0LXRva2VuLW9mLXRlc3Rz"
const csp =
  "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; " +
  "frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"

const get = (port: number, path: string, ...lines: ReadonlyArray<string>) =>
  Effect.promise(() => send(port, [`GET ${path} HTTP/1.1`, ...lines]))

const post = (port: number, path: string, body: string, ...lines: ReadonlyArray<string>) =>
  Effect.promise(() => send(port, [`POST ${path} HTTP/1.1`, `Host: localhost:${port}`, ...lines], body))

const isProtected = ({ headers }: Answer): void => {
  expect(headers["content-security-policy"]).toBe(csp)
  expect(headers["x-content-type-options"]).toBe("nosniff")
  expect(headers["cache-control"]).toBe("no-store")
  expect(Object.keys(headers).filter((name) => name.startsWith("access-control-"))).toEqual([])
}

describe("a request to read", () => {
  // `PORT` stands for the port of the server.
  const rows: ReadonlyArray<readonly [status: number, ...lines: ReadonlyArray<string>]> = [
    [200, "Host: localhost:PORT"],
    [200, "Host: 127.0.0.1:PORT"],
    [200, "Host: [::1]:PORT"],
    [200, "Host: LOCALHOST:PORT"],
    [200, "Host: pools.internal"],
    [200, "Host: pools.internal:PORT"],
    [200, "Host: localhost:PORT", "Origin: http://localhost:PORT"],
    [200, "Host: localhost:PORT", "Sec-Fetch-Site: same-origin"],
    [200, "Host: localhost:PORT", "Sec-Fetch-Site: none"],
    [403],
    [403, "Host: "],
    [403, "Host: localhost"],
    [403, "Host: localhost:1"],
    [403, "Host: evil.example"],
    [403, "Host: evil.example:PORT"],
    [403, "Host: 127.evil.example:PORT"],
    [403, "Host: localhost.evil.example:PORT"],
    [403, "Host: pools.internal.evil.example"],
    [403, "Host: 127.0.0.1:PORT@evil.example"],
    [403, "Host: localhost:PORT", "Origin: http://evil.example"],
    [403, "Host: localhost:PORT", "Origin: http://127.0.0.1:PORT"],
    [403, "Host: localhost:PORT", "Origin: http://localhost:1"],
    [403, "Host: localhost:PORT", "Origin: null"],
    [403, "Host: localhost:PORT", "Sec-Fetch-Site: cross-site"],
    [403, "Host: localhost:PORT", "Sec-Fetch-Site: same-site"]
  ]
  for (const path of ["/", "/style.css", "/api/v1/pools", "/metrics", "/nothing"]) {
    it.live(`is refused for ${path} unless it comes from the page itself`, () =>
      isolated(
        Effect.gen(function* () {
          const { port } = yield* open({ allowedHosts: ["pools.internal"] })
          for (const [status, ...lines] of rows) {
            const answer = yield* get(port, path, ...lines.map((line) => line.replaceAll("PORT", String(port))))
            const expected = status === 200 && path === "/nothing" ? 404 : status
            expect([lines, answer.status]).toEqual([lines, expected])
            isProtected(answer)
          }
        })
      )
    )
  }

  it.live("is refused if its target names another host", () =>
    isolated(
      Effect.gen(function* () {
        const { port } = yield* open()
        const answer = yield* get(port, "http://evil.example/api/v1/pools", `Host: localhost:${port}`)
        expect(answer.status).toBe(403)
        const old = yield* Effect.promise(() => send(port, ["GET /api/v1/pools HTTP/1.0"]))
        expect(old.status).toBe(403)
      })
    )
  )

  it.live("has the protecting headers in its answer also if no route takes its path or its method", () =>
    isolated(
      Effect.gen(function* () {
        const { port } = yield* open()
        const lines = [`Host: localhost:${port}`]
        for (const first of ["GET /%ff", "TRACE /", "PROPFIND /api/v1/pools"]) {
          const answer = yield* Effect.promise(() => send(port, [`${first} HTTP/1.1`, ...lines]))
          expect([first, answer.status]).toEqual([first, 404])
          isProtected(answer)
          const foreign = yield* Effect.promise(() => send(port, [`${first} HTTP/1.1`, "Host: evil.example"]))
          expect([first, foreign.status]).toEqual([first, 403])
          isProtected(foreign)
        }
      })
    )
  )

  it.live("needs the token if other machines can reach the server", () =>
    isolated(
      Effect.gen(function* () {
        const { port } = yield* open({ host: "0.0.0.0", token })
        const host = `Host: localhost:${port}`
        for (const path of ["/api/v1/pools", "/api/v1/live", "/metrics"]) {
          const rows = [
            [401],
            [401, "Authorization: Bearer "],
            [401, "Authorization: Bearer wrong"],
            [401, `Authorization: Basic ${token}`],
            [401, `Authorization: Bearer ${token}x`]
          ] as ReadonlyArray<readonly [number, ...ReadonlyArray<string>]>
          for (const [status, ...lines] of rows) {
            const answer = yield* get(port, path, host, ...lines)
            expect([path, lines, answer.status]).toEqual([path, lines, status])
            expect(answer.headers["www-authenticate"]).toBe("Bearer")
            isProtected(answer)
          }
        }
        expect((yield* get(port, "/api/v1/pools", host, `Authorization: Bearer ${token}`)).status).toBe(200)
        expect((yield* get(port, `/api/v1/pools?token=${token}`, host)).status).toBe(401)
        // The files hold no numbers, and a browser cannot send a token for them.
        expect((yield* get(port, "/", host)).status).toBe(200)
      })
    )
  )

  it.live("is refused without a token on an address of all machines: the layer does not build", () =>
    isolated(
      Effect.gen(function* () {
        for (const host of ["0.0.0.0", "::", "192.0.2.1"]) {
          const error = yield* Effect.flip(open({ host }))
          expect(error).toMatchObject({ _tag: "DashboardError", reason: "TokenMissing" })
          expect(String(error)).toContain(host)
        }
      })
    )
  )
})

describe("an action", () => {
  it.live("does not exist unless actions are on", () =>
    isolated(
      Effect.gen(function* () {
        yield* pool("db")
        const { port } = yield* open({ token })
        for (const action of ["pause", "resume", "resize"]) {
          const answer = yield* post(port, `/api/v1/pools/db/${action}`, "{}", `Authorization: Bearer ${token}`)
          expect(answer.status).toBe(404)
          isProtected(answer)
        }
      })
    )
  )

  it.live("needs the token, a known pool and a valid body", () =>
    isolated(
      Effect.gen(function* () {
        const db = yield* pool("db", { size: 2 })
        const { port } = yield* open({ actions: true, token })
        const bearer = `Authorization: Bearer ${token}`
        const rows: ReadonlyArray<readonly [number, string, string, ...ReadonlyArray<string>]> = [
          [401, "db/resize", '{"size":3}'],
          [401, "db/resize", '{"size":3}', "Authorization: Bearer wrong"],
          [403, "db/resize", '{"size":3}', bearer, "Origin: http://evil.example"],
          [403, "db/resize", '{"size":3}', bearer, "Sec-Fetch-Site: cross-site"],
          [404, "nothing/resize", '{"size":3}', bearer],
          [404, "__proto__/pause", "", bearer],
          [404, "db/close", "", bearer],
          [400, "db/resize", "", bearer],
          [400, "db/resize", "{", bearer],
          [400, "db/resize", "null", bearer],
          [400, "db/resize", '{"delta":"x"}', bearer],
          [400, "db/resize", '{"size":"3"}', bearer],
          [400, "db/resize", '{"size":-1}', bearer],
          [400, "db/resize", '{"size":1.5}', bearer],
          [400, "db/resize", '{"size":1e999}', bearer],
          [400, "db/resize", `{"size":3,"more":"${"x".repeat(2000)}"}`, bearer]
        ]
        for (const [status, path, body, ...lines] of rows) {
          const answer = yield* post(port, `/api/v1/pools/${path}`, body, ...lines)
          expect([path, body, answer.status]).toEqual([path, body, status])
          if (status === 400) expect(answer.body).not.toBe("")
          isProtected(answer)
        }
        expect((yield* db.stats).targetSize).toBe(2)

        const answer = yield* post(port, "/api/v1/pools/db/resize", '{"size":3}', bearer)
        expect(answer.status).toBe(200)
        expect(JSON.parse(answer.body)).toMatchObject({ targetSize: 3, phase: "Open" })
        expect((yield* db.stats).targetSize).toBe(3)
        expect(JSON.parse((yield* post(port, "/api/v1/pools/db/pause", "", bearer)).body).phase).toBe("Paused")
        expect((yield* db.stats).phase).toBe("Paused")
        expect(JSON.parse((yield* post(port, "/api/v1/pools/db/resume", "", bearer)).body).phase).toBe("Open")
        // Others read without the token, and cannot act by reading.
        expect((yield* get(port, "/api/v1/pools", `Host: localhost:${port}`)).status).toBe(200)
        expect((yield* get(port, "/api/v1/pools/db/pause", `Host: localhost:${port}`, bearer)).status).toBe(404)
      })
    )
  )

  it.live("says that a distributed pool cannot be changed, and does not change the pool that runs its tasks", () =>
    isolated(
      Effect.gen(function* () {
        const core = AioFixedTaskPoolSimple.layer(2, { name: "core" })
        yield* Layer.build(DistributedTaskPool.layerLocal(core, { name: "images" }))
        const view = { stats: Effect.never, workers: Effect.never }
        yield* PoolRegistry.registerPool({ name: "far", kind: "Queue", service: view })
        const { port } = yield* open({ actions: true, token })
        const bearer = `Authorization: Bearer ${token}`
        for (const action of ["pause", "resume", "resize"]) {
          for (const id of ["far", "images"]) {
            const answer = yield* post(port, `/api/v1/pools/${id}/${action}`, '{"size":3}', bearer)
            expect([answer.status, answer.body.trim()]).toEqual([
              400,
              `The pool "${id}" is a distributed one, which cannot be changed from here.`
            ])
          }
          expect((yield* post(port, `/api/v1/pools/core/${action}`, '{"size":3}', bearer)).status).toBe(404)
        }
      })
    )
  )

  it.live("reaches pools whose names hold any characters", () =>
    isolated(
      Effect.gen(function* () {
        const { port } = yield* open({ actions: true, token })
        for (const name of ["a/b", "ü 100 %", "x#2", "?pool=", `n${"o".repeat(300)}`]) {
          const db = yield* pool(name)
          const path = `/api/v1/pools/${encodeURIComponent(name)}/pause`
          const answer = yield* post(port, path, "", `Authorization: Bearer ${token}`)
          expect([name, answer.status]).toEqual([name, 200])
          expect((yield* db.stats).phase).toBe("Paused")
        }
      })
    )
  )

  it.live("is logged with what it changed and who asked", () =>
    isolated(
      Effect.gen(function* () {
        const lines: Array<{ message: unknown; level: string; annotations: Record<string, unknown> }> = []
        const logger = Logger.map(Logger.formatStructured, (line) => void lines.push(line as never))
        yield* Effect.gen(function* () {
          yield* pool("db", { size: 2 })
          const { port } = yield* open({ actions: true, token })
          const bearer = `Authorization: Bearer ${token}`
          yield* post(port, "/api/v1/pools/db/resize", '{"size":5}', bearer)
          yield* post(port, "/api/v1/pools/db/pause", "", bearer)
        }).pipe(Effect.provide(Logger.layer([logger])))
        const common = { "task_pool.name": "db", "task_pool.kind": "AioFixedTaskPoolSimple", remote: "127.0.0.1" }
        expect(lines.slice(-2)).toMatchObject([
          { level: "INFO", message: "dashboard: resize", annotations: { ...common, from: 2, to: 5 } },
          { level: "INFO", message: "dashboard: pause", annotations: { ...common, from: "Open", to: "Paused" } }
        ])
      })
    )
  )

  it.live("takes a random token of 128 bits, which the log shows once in the whole address", () =>
    isolated(
      Effect.gen(function* () {
        const lines: Array<string> = []
        const logger = Logger.make(({ message }) => void lines.push(String(message)))
        const port = yield* Effect.gen(function* () {
          yield* pool("db")
          const { port } = yield* open({ actions: true })
          return port
        }).pipe(Effect.provide(Logger.layer([logger])))
        const addresses = lines.filter((line) => line.includes("#token="))
        expect(addresses).toHaveLength(1)
        const random = addresses[0]!.split("#token=")[1]!
        expect(addresses[0]).toBe(`dashboard: http://127.0.0.1:${port}/#token=${random}`)
        expect(Buffer.from(random, "base64url")).toHaveLength(16)
        const answer = yield* post(port, "/api/v1/pools/db/pause", "", `Authorization: Bearer ${random}`)
        expect(answer.status).toBe(200)
      })
    )
  )
})
