/** The work on images, for threads. */
import { Job } from "@aio-task-pool/core/Job"
import { readFileSync, writeFileSync } from "node:fs"
import { isMainThread } from "node:worker_threads"
import { PNG } from "pngjs"

/** Writes a picture that is a quarter as wide and as high: each pixel is the mean of 4 x 4 pixels. */
export const shrink = Job.define(import.meta, "shrink", (from: string, to: string) => {
  const image = PNG.sync.read(readFileSync(from))
  const small = new PNG({ width: image.width >> 2, height: image.height >> 2 })
  for (let i = 0; i < small.data.length; i++) {
    const pixel = i >> 2
    const x = (pixel % small.width) * 4
    const y = Math.floor(pixel / small.width) * 4
    let sum = 0
    for (let n = 0; n < 16; n++) sum += image.data[((y + (n >> 2)) * image.width + x + (n & 3)) * 4 + (i & 3)]!
    small.data[i] = sum / 16
  }
  writeFileSync(to, PNG.sync.write(small))
  return { width: small.width, height: small.height, isMainThread }
})
