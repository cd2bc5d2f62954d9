import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { gzipSync } from "node:zlib"
import { isolated, open } from "../support/program.ts"

it.live("the page is one origin's files: at most 120 kB, 45 kB with gzip", () =>
  isolated(
    Effect.gen(function* () {
      const { address } = yield* open()
      const read = (path: string) =>
        Effect.promise(async () => {
          const response = await fetch(`${address}${path}`)
          assert.strictEqual(response.status, 200, path)
          return Buffer.from(await response.arrayBuffer())
        })
      const found = new Map<string, Buffer>()
      const visit: (path: string) => Effect.Effect<void> = Effect.fnUntraced(function* (path) {
        if (found.has(path)) return
        const body = yield* read(path)
        found.set(path, body)
        // What the page and its modules load.
        for (const [, name] of body.toString().matchAll(/(?:src|href|from)[= ]"(?:\.\/)?([\w.]+\.(?:js|css))"/g)) {
          yield* visit(`/${name}`)
        }
      })
      yield* visit("/")
      assert.sameMembers(Array.from(found.keys()), [
        "/",
        "/app.js",
        "/connection.js",
        "/curves.js",
        "/format.js",
        "/overview.js",
        "/parts.js",
        "/pool.js",
        "/preact.js",
        "/style.css",
        "/uplot.css",
        "/uplot.js"
      ])
      const bodies = Array.from(found.values())
      const bytes = bodies.reduce((sum, body) => sum + body.length, 0)
      const packed = bodies.reduce((sum, body) => sum + gzipSync(body, { level: 9 }).length, 0)
      assert.isAtMost(bytes, 120_000)
      assert.isAtMost(packed, 45_000)
      // Nothing but the page's own files, and no style or script in the HTML, which the policy would block.
      assert.notMatch(found.get("/")!.toString(), /https?:|style=|<style|<script>|\son\w+=/)
    })
  )
)
