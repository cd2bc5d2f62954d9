/** The programs of `against.ts`, by name. */
import type { PoolOptions, SubmitOptions } from "@aio-task-pool/core"

/** Programs whose tasks have no option. */
export const programs = ["tick", "sync", "fork", "forEach", "makeClose"] as const

/** What a program uses of a pool beyond plain tasks: options of the pool, or options of each task. */
interface Used {
  readonly pool?: PoolOptions
  readonly task?: (item: number) => SubmitOptions
}

/** Options of tasks that wait, by the name of the program. */
export const options = {
  permits: { task: () => ({ permits: 1 }) },
  label: { task: () => ({ label: "task" }) },
  maxWait: { task: () => ({ maxWait: "1 minute" }) },
  rate: { pool: { rate: { limit: 1e9, window: "1 minute" } } },
  cost: { pool: { rate: { limit: 1e9, window: "1 minute" } }, task: () => ({ cost: 2 }) },
  keys: { task: (item) => ({ key: item % 1000 }) },
  key: { task: (item) => ({ key: item }) }
} satisfies Readonly<Record<string, Used>>

export type Program = (typeof programs)[number] | keyof typeof options

export const isProgram = (name: string): name is (typeof programs)[number] =>
  programs.some((program) => program === name)

export const isOption = (name: string): name is keyof typeof options => Object.hasOwn(options, name)

/** Returns what a program uses. */
export const usedBy = (program: Program): Used => (isOption(program) ? options[program] : {})
