/** Heavy work for threads: this module loads nothing but what the work needs. */
import { Job } from "@aio-task-pool/core/Job"
import { createHash } from "node:crypto"
import { readFileSync } from "node:fs"
import { brotliCompressSync, constants } from "node:zlib"

export interface Entry {
  readonly bytes: number
  readonly packed: number
  readonly sha256: string
}

/** Reads a file, packs it as small as it gets, and hashes what comes out. */
export const pack = Job.define(import.meta, "pack", (path: string): Entry => {
  const body = readFileSync(path)
  const packed = brotliCompressSync(body, { params: { [constants.BROTLI_PARAM_QUALITY]: 9 } })
  return { bytes: body.length, packed: packed.length, sha256: createHash("sha256").update(packed).digest("hex") }
})
