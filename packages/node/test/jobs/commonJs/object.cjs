// Node cannot tell from the text what this module exports.
const { Job } = require("@aio-task-pool/core/Job")
const { pathToFileURL } = require("node:url")

const halve = Job.define({ url: pathToFileURL(__filename).href }, "halve", (n) => n / 2)
module.exports = Object.fromEntries([
  ["double", (n) => n * 2],
  ["half", halve],
  ["answer", 42]
])
Object.defineProperty(module.exports, "broken", {
  get: () => {
    throw new Error("broken at first use")
  }
})
Object.defineProperty(module.exports, "lazy", { get: () => (n) => n + 1 })
