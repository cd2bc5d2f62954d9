import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { spawn } from "node:child_process"
import { once } from "node:events"
import { fileURLToPath } from "node:url"

const program = fileURLToPath(new URL("../../distributed/main.ts", import.meta.url))

/** Runs the example with some files, and returns its lines when it has ended by itself. */
export const run = (files: number, redis: string | undefined) =>
  Effect.promise(async () => {
    const { REDIS_URL: _, ...rest } = process.env
    const env = redis === undefined ? rest : { ...rest, REDIS_URL: redis }
    const child = spawn(process.execPath, [program, String(files)], { stdio: ["ignore", "pipe", "inherit"], env })
    let text = ""
    child.stdout.setEncoding("utf8").on("data", (chunk: string) => (text += chunk))
    const [code] = await once(child, "close")
    assert.strictEqual(code, 0)
    return text.trim().split("\n")
  })
