import { Job } from "@aio-task-pool/core/Job"
import { factor } from "./imported.ts"

export const scale = Job.define(import.meta, "scale", (n: number) => n * factor)
