import { createHash } from "node:crypto"
import { threadId } from "node:worker_threads"

export const sha256 = (text) => ({ digest: createHash("sha256").update(text).digest("hex"), thread: threadId })
