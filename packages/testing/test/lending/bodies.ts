/**
 * Every small task that waits for its own pool, as data, and what may become of each.
 */

/** What a task does, one after the other. What it has forked to join is joined when the rest is done. */
export interface Body {
  readonly operations: ReadonlyArray<Operation>
  readonly end: "value" | "failure" | "interrupt"
}

export interface Pause {
  readonly do: "yield"
}

export interface Fork {
  readonly do: "fork" | "fork and join"
  readonly body: Body
}

export type Operation =
  | Pause
  | Fork
  | { readonly do: "submit" | "forEach"; readonly body: Body }
  | { readonly do: "all"; readonly bodies: readonly [Body, Body] }

/** The tasks that bodies are made of. */
export interface Alphabet {
  readonly leaves: ReadonlyArray<ReadonlyArray<Operation>>
  readonly ends: ReadonlyArray<Body["end"]>
}

const pause: Pause = { do: "yield" }

export const full: Alphabet = { leaves: [[], [pause]], ends: ["value", "failure", "interrupt"] }
export const reduced: Alphabet = { leaves: [[pause]], ends: ["value"] }

/** All bodies that contain exactly `count` others. */
export const bodiesWith = (count: number, alphabet: Alphabet): ReadonlyArray<Body> =>
  sequences(count, alphabet).flatMap((operations) => alphabet.ends.map((end) => ({ operations, end })))

const sequences = (count: number, alphabet: Alphabet): ReadonlyArray<ReadonlyArray<Operation>> => {
  if (count === 0) return alphabet.leaves
  const found: Array<ReadonlyArray<Operation>> = []
  for (let first = 1; first <= count; first++) {
    const rest = first === count ? [[]] : sequences(count - first, alphabet)
    for (const operation of operationsWith(first, alphabet)) {
      for (const others of rest) found.push([operation, ...others])
    }
  }
  return found
}

const operationsWith = (count: number, alphabet: Alphabet): ReadonlyArray<Operation> => {
  const nested = bodiesWith(count - 1, alphabet)
  const one = (["submit", "fork", "fork and join", "forEach"] as const).flatMap((name) =>
    nested.map((body): Operation => ({ do: name, body }))
  )
  const two: Array<Operation> = []
  for (let left = 0; left <= count - 2; left++) {
    for (const body of bodiesWith(left, alphabet)) {
      for (const other of bodiesWith(count - 2 - left, alphabet)) two.push({ do: "all", bodies: [body, other] })
    }
  }
  return [...one, ...two]
}

/** What may become of a task: its value, if it may succeed, and how else it may end. */
export interface Outcomes {
  readonly value: string | undefined
  readonly others: ReadonlySet<string>
}

/** What may become of a task at a path, if the pool admits every task. */
export const outcomesOf = (body: Body, path: string): Outcomes => {
  const others = new Set<string>()
  const values: Array<string> = []
  const joined: Array<Outcomes> = []
  for (const [index, operation] of body.operations.entries()) {
    const outcomes = outcomesOfOperation(operation, `${path}.${index}`)
    if (operation.do === "fork and join") joined.push(outcomes)
    else if (!add(outcomes, values, others)) return { value: undefined, others }
  }
  for (const outcomes of joined) if (!add(outcomes, values, others)) return { value: undefined, others }
  if (body.end === "value") return { value: `${path}(${values.join()})`, others }
  return { value: undefined, others: others.add(body.end === "failure" ? `failure ${path}` : "interrupt") }
}

const add = ({ others, value }: Outcomes, values: Array<string>, allOthers: Set<string>): boolean => {
  for (const other of others) allOthers.add(other)
  if (value === undefined) return false
  if (value !== "") values.push(value)
  return true
}

const nothing: Outcomes = { value: "", others: new Set() }

const outcomesOfOperation = (operation: Operation, path: string): Outcomes => {
  switch (operation.do) {
    case "yield":
    case "fork":
      return nothing
    case "submit":
    case "fork and join":
      return outcomesOf(operation.body, path)
    case "forEach":
      return together([outcomesOf(operation.body, path), outcomesOf(operation.body, path)])
    case "all":
      return together(operation.bodies.map((body, index) => outcomesOf(body, `${path}.${index}`)))
  }
}

const together = (all: ReadonlyArray<Outcomes>): Outcomes => {
  const others = new Set(all.flatMap((outcomes) => [...outcomes.others]))
  const values = all.map(({ value }) => value)
  return { value: values.includes(undefined) ? undefined : `[${values.join()}]`, others }
}

/** A body as a person would write it down. */
export const printBody = ({ end, operations }: Body): string =>
  `{ ${[...operations.map(printOperation), end].join("; ")} }`

const printOperation = (operation: Operation): string => {
  if (operation.do === "yield") return "yield"
  if (operation.do === "all") return `all ${operation.bodies.map(printBody).join(", ")}`
  return `${operation.do} ${printBody(operation.body)}`
}
