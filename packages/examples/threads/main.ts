// Makes thumbnails of 24 pictures on two threads, while the main thread stays free.
import { AioFixedTaskPoolSimple, TaskPool } from "@aio-task-pool/core"
import { NodeExecutor } from "@aio-task-pool/node"
import { Effect, Layer } from "effect"
import { rmSync } from "node:fs"
import { basename } from "node:path"
import { shrink } from "./images.jobs.ts"
import { makePictures } from "./pictures.ts"

const folder = makePictures({ count: 24, width: 800, height: 600, broken: 7 })
const names = Array.from({ length: 24 }, (_, i) => `${folder}/${i}.png`)

const failed: Array<string> = []
const thumbnail = (name: string) =>
  TaskPool.submitBlocking(shrink, { args: [name, name.replace(".png", ".small.png")], timeout: "30 seconds" }).pipe(
    // A picture that is broken, takes too long or ends its thread costs this picture only.
    Effect.catchTag(["TaskThrew", "WorkerCrashed", "TimeoutError"], (error) =>
      Effect.sync(() => void failed.push(`${basename(name)} (${error._tag})`))
    )
  )

const program = Effect.gen(function* () {
  const sizes = yield* Effect.forEach(names, thumbnail, { concurrency: "unbounded" })
  return sizes.filter((size) => size !== undefined)
})

// The pool closes before its threads: it is provided with them.
const live = Layer.provideMerge(AioFixedTaskPoolSimple.layer(2), NodeExecutor.layer({ threads: 2 }))
const sizes = await Effect.runPromise(Effect.provide(program, live))
rmSync(folder, { recursive: true })

const here = sizes.filter(({ isMainThread }) => isMainThread).length
console.log(`${sizes.length} thumbnails of ${sizes[0]!.width} x ${sizes[0]!.height}, ${here} made in the main thread`)
console.log(`failed: ${failed.join(", ")}`)
