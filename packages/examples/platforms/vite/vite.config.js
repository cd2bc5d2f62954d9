import { defineConfig } from "vite"

export default defineConfig({
  build: {
    ssr: true,
    rolldownOptions: {
      input: {
        main: "src/main.ts",
        "hash.jobs": "src/hash.jobs.ts",
        worker: "@aio-task-pool/node/worker"
      }
    }
  },
  // Bundles the dependencies too.
  ssr: { noExternal: true }
})
