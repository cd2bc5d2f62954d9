export default {
  mode: "production",
  target: "node",
  entry: {
    main: "./src/main.js",
    "hash.jobs": "./src/hash.jobs.js",
    worker: "@aio-task-pool/node/worker"
  },
  experiments: { outputModule: true },
  output: { filename: "[name].js", library: { type: "module" } },
  // Leaves `import.meta.url` to Node: webpack would write the path of the source file in its place.
  module: { parser: { javascript: { importMeta: false } } }
}
