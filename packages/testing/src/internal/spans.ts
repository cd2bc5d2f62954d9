/** A tracer that keeps its spans, and checks what every span of a pool must keep to. */
import type * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Tracer from "effect/Tracer"

/** A span that counts how often it was ended. */
export class KeptSpan extends Tracer.NativeSpan {
  ends = 0

  override end(endTime: bigint, exit: Exit.Exit<unknown, unknown>): void {
    this.ends++
    super.end(endTime, exit)
  }

  /** The duration in nanoseconds; `undefined` before the end. */
  get duration(): bigint | undefined {
    return this.status._tag === "Ended" ? this.status.endTime - this.status.startTime : undefined
  }

  get parentName(): string | undefined {
    const parent = Option.getOrUndefined(this.parent)
    return parent?._tag === "Span" ? parent.name : undefined
  }

  get eventNames(): ReadonlyArray<string> {
    return this.events.map(([name]) => name)
  }
}

export class KeptSpans {
  readonly all: Array<KeptSpan> = []
  readonly tracer = Tracer.make({
    span: (options) => {
      const span = new KeptSpan(options)
      this.all.push(span)
      return span
    }
  })

  named(name: string): ReadonlyArray<KeptSpan> {
    return this.all.filter((span) => span.name === name)
  }

  /** The spans of tasks. */
  get tasks(): ReadonlyArray<KeptSpan> {
    return this.named("task_pool.task")
  }

  /** Returns the first rule that a span of a task breaks when all tasks have ended. */
  get brokenRule(): string | undefined {
    for (const span of this.tasks) {
      const broken = ruleBrokenBy(span)
      if (broken !== undefined) return `${broken}: ${JSON.stringify(Object.fromEntries(span.attributes))}`
    }
    return undefined
  }
}

const ruleBrokenBy = (span: KeptSpan): string | undefined => {
  const { attributes, duration, ends, eventNames } = span
  if (ends !== 1) return `a span was ended ${ends} times`
  const seconds = (key: string): number => (attributes.get(`task_pool.${key}`) as number | undefined) ?? 0
  const sum = seconds("queue_time") + seconds("run_time") + seconds("lent_time")
  if (Math.abs(sum - Number(duration) / 1e9) > 1e-6) return "queue, run and lent time are not the span"
  if (!["succeeded", "failed", "interrupted", "cancelled"].includes(attributes.get("task_pool.outcome") as string)) {
    return "a span has no outcome"
  }
  if (eventNames.filter((name) => name === "task_pool.dispatched").length !== 1) return "a task was not dispatched once"
  return attributes.has("error.type") === (attributes.get("task_pool.outcome") === "succeeded")
    ? "only a task that has not succeeded has an error"
    : undefined
}
