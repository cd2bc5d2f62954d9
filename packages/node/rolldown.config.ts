// Makes the published worker one file that can be copied anywhere: without relative imports, and without `import` and
// `export`, so that it is right in a package of either type.
import { defineConfig } from "rolldown"

export default defineConfig({
  input: "src/worker.ts",
  platform: "node",
  output: {
    file: "dist/worker.js",
    format: "iife",
    strict: true,
    sourcemap: true,
    globals: (id) => `process.getBuiltinModule(${JSON.stringify(id)})`
  }
})
