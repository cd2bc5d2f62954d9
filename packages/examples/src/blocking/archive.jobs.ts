/** Heavy work for threads. This module imports only what the work needs. */
import { Job } from "@aio-task-pool/core/Job"
import { createHash } from "node:crypto"
import { readFileSync } from "node:fs"
import { brotliCompressSync, constants } from "node:zlib"

export interface Entry {
  readonly bytes: number
  readonly compressed: number
  readonly sha256: string
}

/** Reads a file, compresses it and hashes the result. */
export const compress = Job.define(import.meta, "compress", (path: string): Entry => {
  const body = readFileSync(path)
  const compressed = brotliCompressSync(body, { params: { [constants.BROTLI_PARAM_QUALITY]: 9 } })
  return {
    bytes: body.length,
    compressed: compressed.length,
    sha256: createHash("sha256").update(compressed).digest("hex")
  }
})
