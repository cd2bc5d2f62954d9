import { build } from "esbuild"

await build({ entryPoints: ["src/main.ts"], outfile: "dist/main.js", bundle: true, format: "esm", minify: true })
