// Checks which files may import which, types included, and that there are no circular imports. The first row that
// matches a file is its rule. Relative imports are resolved to paths of the repository. Run it with `node .ci/boundaries.ts`.
import { globSync, readFileSync } from "node:fs"
import { matchesGlob, posix } from "node:path"

const effect = "effect/[A-Z]*"
const policyModules =
  "effect/{Array,Duration,Equal,Function,Number,Option,Order,Predicate,Record,Result,Struct,Tuple,Types}"
const core = "packages/core/src"

const rows: ReadonlyArray<readonly [files: string, mayImport: ReadonlyArray<string>, why: string]> = [
  // The core, from the inside out.
  [`${core}/internal/words.ts`, [], "A sentence needs nothing."],
  [`${core}/internal/backlog/*.ts`, [`${core}/internal/backlog/*`], "A backlog is pure data that knows no Effect."],
  [`${core}/QueueDiscipline.ts`, [`${core}/internal/backlog/*`], "A discipline is pure data."],
  [
    `${core}/{PoolStats,PoolInspection}.ts`,
    [`${core}/{AutoScaleModel,PoolStats,TaskPoolReason}.ts`, "effect/Effect"],
    "Models are types only."
  ],
  [`${core}/{AutoScaleModel,TaskPoolReason}.ts`, [], "Models are types only."],
  [
    `${core}/internal/policy/*.ts`,
    [`${core}/AutoScaleModel.ts`, `${core}/internal/policy/*`, policyModules],
    "A policy is a pure function."
  ],
  [
    `${core}/AutoScalePolicy.ts`,
    [`${core}/AutoScaleModel.ts`, `${core}/internal/{arguments.ts,policy/*}`, policyModules],
    "A policy waits for nothing, forks nothing and reads no clock."
  ],
  [`${core}/internal/runtime/*.ts`, [`${core}/internal/runtime/*`, effect], "The runtime's parts know no pool."],
  [
    `${core}/internal/pool/rate.ts`,
    [`${core}/Rate.ts`, `${core}/internal/arguments.ts`, "effect/{Duration,Formatter}"],
    "A rate gate is told the time: it reads no clock and waits for nothing."
  ],
  [
    `${core}/internal/timing/*.ts`,
    [
      `${core}/internal/timing/*`,
      `${core}/internal/pool/entry.ts`,
      `${core}/internal/runtime/clock.ts`,
      `${core}/PoolTiming.ts`,
      "effect/{Clock,Exit}"
    ],
    "Times are taken from the machine's reports, and change nothing in it."
  ],
  [
    `${core}/internal/pool/*.ts`,
    [`${core}/internal/{backlog,pool,runtime,timing}/*`, `${core}/internal/arguments.ts`, `${core}/[A-Z]*.ts`, effect],
    "The machine and its tasks know no bulk, no sizing and no service."
  ],
  [
    `${core}/internal/{bulk,autoScale,inspect}/*.ts`,
    [
      `${core}/internal/{bulk,autoScale,inspect,pool,runtime,timing}/*`,
      `${core}/internal/{arguments,words}.ts`,
      `${core}/[A-Z]*.ts`,
      effect
    ],
    "Bulks, sizing and inspection use the machine, and know no service."
  ],
  [
    `${core}/internal/metrics/*.ts`,
    [
      `${core}/internal/{autoScale,inspect,metrics,pool,timing}/*`,
      `${core}/internal/registry.ts`,
      `${core}/[A-Z]*.ts`,
      effect
    ],
    "Metrics are read from the pools and executors of a registry."
  ],
  [`${core}/internal/pipeable.ts`, [effect], "The contract uses it."],
  [
    `${core}/internal/*.ts`,
    [`${core}/internal/**`, `${core}/[A-Z]*.ts`, effect],
    "The core imports itself and effect, each module by its own path."
  ],
  [
    `${core}/TaskPool.ts`,
    [`${core}/!(Aio*|index).ts`, `${core}/internal/{pipeable,runtime/evaluate}.ts`, effect],
    "The contract knows no implementation."
  ],
  [`${core}/ItemCounter.ts`, [`${core}/internal/runtime/counting.ts`, effect], "A counter knows no pool."],
  [`${core}/index.ts`, [`${core}/[A-Z]*.ts`], "The barrel only exports."],
  [
    `${core}/*.ts`,
    [`${core}/[A-Z]*.ts`, `${core}/internal/*.ts`, `${core}/internal/metrics/collector.ts`, effect],
    "The core imports itself and effect, each module by its own path."
  ],

  // What a thread loads, and waits for.
  [
    "packages/node/src/{worker.ts,internal/{protocol,errorCodec,loading,jobQueue}.ts}",
    ["packages/node/src/internal/{protocol,errorCodec,loading,jobQueue}.ts", "@aio-task-pool/core/Job", "node:*"],
    "What a thread loads imports nothing heavy."
  ],
  [
    "packages/node/src/**",
    [
      "packages/node/src/!(index).ts",
      "packages/node/src/internal/**",
      "@aio-task-pool/core",
      "string-width",
      effect,
      "node:*"
    ],
    "This package imports the core's public entry, effect and Node."
  ],

  // Only the driver knows its engine.
  [
    "packages/distributed/src/bullmq/**",
    [
      "packages/distributed/src/!(index).ts",
      "packages/distributed/src/{internal,bullmq}/**",
      "@aio-task-pool/core",
      effect,
      "bullmq",
      "ioredis",
      "node:*"
    ],
    "Only the driver imports its engine."
  ],
  [
    "packages/distributed/src/{internal/wire,DistributedTask*{Error,Options,Service}}.ts",
    ["packages/distributed/src/**", effect],
    "Models are types."
  ],
  [
    "packages/distributed/src/**",
    ["packages/distributed/src/!(index).ts", "packages/distributed/src/internal/**", "@aio-task-pool/core", effect],
    "The contract and its local engine know no broker and no Node."
  ],

  ["packages/testing/src/laws/jobs/*.ts", ["@aio-task-pool/core/Job"], "A module of jobs imports nothing heavy."],
  ["packages/testing/src/terminal.ts", ["@xterm/headless", "node:*"], "Terminals of tests know no pool."],
  [
    "packages/testing/src/**",
    [
      "packages/testing/src/**/!(index).ts",
      "@aio-task-pool/{core,distributed}",
      "effect/**",
      "@effect/vitest",
      "vitest",
      "node:{async_hooks,child_process,fs/promises,net,os,path,perf_hooks,process,timers}"
    ],
    "This package imports the core's public entry, effect and vitest."
  ],

  // The dashboard. What is not stable in effect comes through one file.
  ["packages/dashboard/src/Protocol.ts", ["effect/Schema"], "The protocol is schemas only."],
  [
    "packages/dashboard/src/internal/unstable.ts",
    ["effect/{http,observability}/*", "@effect/platform-node/NodeHttpServer"],
    "The unstable modules of effect come through this file."
  ],
  ["packages/dashboard/src/internal/unstableSse.ts", ["effect/encoding/Sse"], "The terminal view loads no server."],
  [
    "packages/dashboard/src/{bin.ts,top/*.ts}",
    [
      "packages/dashboard/src/top/*.ts",
      "packages/dashboard/src/Protocol.ts",
      "packages/dashboard/src/internal/unstableSse.ts",
      "@effect/platform-node/NodeRuntime",
      "string-width",
      effect,
      "node:*"
    ],
    "The terminal view knows only the protocol, and loads no server."
  ],
  [
    "packages/dashboard/src/**",
    ["packages/dashboard/src/!(index).ts", "packages/dashboard/src/**/*.ts", "@aio-task-pool/core", effect, "node:*"],
    "This package imports the core's public entry, stable modules of effect, and Node."
  ],

  // Tests may look inside their own package, and at other packages from outside.
  ...["core", "node", "testing", "benchmark", "examples", "dashboard", "distributed"].map(
    (name) =>
      [
        `packages/${name}/**`,
        [
          `packages/${name}/**`,
          "@aio-task-pool/{core,node,testing,distributed,dashboard}{,/[A-Z]*}",
          "@aio-task-pool/testing/{interrupting,kit,random,terminal}",
          "!(@aio-task-pool)**",
          "!(@aio-task-pool)**/**"
        ],
        "Packages are used by their public entry."
      ] as const
  ),
  [
    "{docs,.ci}/**",
    [
      "{docs,.ci}/**",
      "@aio-task-pool/{core,node,testing,dashboard}{,/[A-Z]*}",
      "@aio-task-pool/{core,node,testing}{,/[A-Z]*}",
      "@aio-task-pool/distributed{,/bullmq}",
      "!(@aio-task-pool|packages)**",
      "!(@aio-task-pool|packages)**/**"
    ],
    "Packages are used by their public entry."
  ]
]

const statement = /^\s*(?:import|export)\b(?:[^"';]*?\bfrom)?\s*"([^"]+)"|\bimport\(\s*"([^"]+)"\s*\)/gm

// Examples in doc comments import what their readers import.
const comment = /\/\*[\s\S]*?\*\//g

const importsOf = (file: string): ReadonlyArray<string> =>
  Array.from(readFileSync(file, "utf8").replaceAll(comment, "").matchAll(statement), ([, from, dynamic]) => {
    const specifier = from ?? dynamic!
    return specifier.startsWith(".") ? posix.join(posix.dirname(file), specifier) : specifier
  })

const files = globSync("{packages,docs,.ci}/**/*.ts").filter(
  (file) => !/node_modules|[/](?:dist|generated|platforms)[/]/.test(file)
)
const graph = new Map(files.map((file) => [file, importsOf(file)]))
const problems: Array<string> = []
for (const [file, imports] of graph) {
  const row = rows.find(([pattern]) => matchesGlob(file, pattern))
  if (row === undefined) problems.push(`${file}: no row says what this file may import`)
  else {
    for (const specifier of imports) {
      if (!row[1].some((pattern) => matchesGlob(specifier, pattern)))
        problems.push(`${file} imports "${specifier}". ${row[2]}`)
    }
  }
}

const done = new Set<string>()
const visit = (file: string, path: ReadonlyArray<string>): void => {
  if (path.includes(file)) problems.push(`circular import: ${[...path.slice(path.indexOf(file)), file].join(" -> ")}`)
  if (done.has(file) || path.includes(file)) return
  for (const specifier of graph.get(file) ?? []) visit(specifier, [...path, file])
  done.add(file)
}
for (const file of graph.keys()) visit(file, [])

const edges = Array.from(graph.values()).reduce((sum, imports) => sum + imports.length, 0)
console.log(`boundaries: ${files.length} files, ${edges} imports, ${problems.length} problems`)
for (const problem of problems) console.error(problem)
process.exitCode = problems.length > 0 ? 1 : 0
