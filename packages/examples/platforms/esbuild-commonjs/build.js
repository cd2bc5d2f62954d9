const { buildSync } = require("esbuild")

buildSync({
  entryPoints: {
    main: "src/main.ts",
    "hash.jobs": "src/hash.jobs.ts",
    worker: "@aio-task-pool/node/worker"
  },
  outdir: "dist",
  bundle: true,
  platform: "node",
  format: "cjs",
  // CommonJS has no `import.meta`.
  define: { "import.meta": "importMeta" },
  banner: { js: 'const importMeta = { url: require("node:url").pathToFileURL(__filename).href };' }
})
