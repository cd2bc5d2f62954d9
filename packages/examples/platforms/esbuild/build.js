import { build } from "esbuild"

await build({
  entryPoints: {
    main: "src/main.ts",
    "hash.jobs": "src/hash.jobs.ts",
    worker: "@aio-task-pool/node/worker"
  },
  outdir: "dist",
  bundle: true,
  platform: "node",
  format: "esm",
  // Keeps the jobs in a file of their own, which the threads load.
  splitting: true
})
