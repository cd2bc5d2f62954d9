const { Job } = require("@aio-task-pool/core/Job")
const { createHash } = require("node:crypto")
const { pathToFileURL } = require("node:url")
const { threadId } = require("node:worker_threads")

exports.sha256 = Job.define({ url: pathToFileURL(__filename).href }, "sha256", (text) => ({
  digest: createHash("sha256").update(text).digest("hex"),
  thread: threadId
}))
