/**
 * One process's contact with the broker of a pool: its command connection, the pool's record, and whether the broker
 * answers.
 *
 *     connecting ──record read──> up <──connection back, record read again──> down
 *
 * An operation begins only while the broker is up, or waits until it is, at most until `connectTimeout` after the contact
 * was lost: after the connection broke, or after the first question that the broker has not answered. So an operation that
 * fails as unreachable was not sent. The only exception is a connection that breaks between a command and its answer.
 *
 * The record is read again every half second: it has what other processes changed, if the control stream did not tell.
 * A pool that a broker without persistence has forgotten is made again by the first process that looks.
 */
import * as Effect from "effect/Effect"
import type { Redis } from "ioredis"
import { NotAvailable, PoolMismatch } from "../../DistributedTaskPoolError.ts"
import { callback } from "../../internal/callback.ts"
import { type Keys, keysOf } from "./keys.ts"
import { settledOf, whenSettled } from "./promises.ts"
import { defineScripts, recordKeys, runScript, type ScriptName } from "./scripts.ts"

/** What the first process that opens a pool writes into its record. */
export interface PoolIdentity {
  readonly name: string
  readonly discipline: string
  readonly kind: "fixed" | "auto-scale"
  readonly size: number
  readonly min: number
  readonly max: number
  readonly rate: { readonly limit: number; readonly window: number } | undefined
}

/** The record, as this process read it last. */
export interface PoolRecord {
  readonly paused: boolean
  /** How often the size has fallen. */
  readonly epoch: number
}

/** The format of the record. It grows when an older version would misunderstand a newer record. */
const recordFormat = 1
const pollInterval = 500 // ms

export class Broker {
  readonly client: Redis
  readonly name: string
  readonly keys: Keys
  readonly connectTimeout: number
  record: PoolRecord | undefined
  /** Set for good when the record is of another pool. */
  mismatch: PoolMismatch | undefined
  isUp = false
  isClosed = false
  /** What the connection, or the server, said last about why it does not work. */
  lastError = "no connection"
  /** Milliseconds of the process's monotonic clock at which contact was lost, or when it began. */
  private downSince = performance.now()
  private readonly identity: PoolIdentity
  private readonly onContact: (isUp: boolean) => void
  private readonly watchers = new Set<() => void>()
  private timer: ReturnType<typeof setTimeout> | undefined
  private polledAt = 0
  /** When the question was sent that the broker has not answered. */
  private askedAt: number | undefined

  constructor(
    client: Redis,
    identity: PoolIdentity,
    options: { readonly prefix: string; readonly connectTimeout: number },
    onContact: (isUp: boolean) => void
  ) {
    this.client = client
    this.identity = identity
    this.name = identity.name
    this.keys = keysOf(options.prefix, identity.name)
    this.connectTimeout = options.connectTimeout
    this.onContact = onContact
    defineScripts(client)
  }

  /** Watches the connection and polls, until `close`. */
  start(): void {
    const { client } = this
    client.on("ready", () => this.poll())
    client.on("close", () => this.lost())
    client.on("error", (error) => {
      this.lastError = error.message
    })
    if (client.status === "ready") this.poll()
    else this.schedule()
  }

  /** Reads the record, and makes it if the pool has none. Called in turns, and when another process has told of a change. */
  poll(): void {
    if (this.isLost) return
    clearTimeout(this.timer)
    this.schedule()
    const now = performance.now()
    // This process was blocked or stopped: the answer may have come meanwhile, and nobody has read it.
    if (this.askedAt !== undefined && now - this.polledAt > 2 * pollInterval) this.askedAt = now
    this.polledAt = now
    if (this.client.status !== "ready") return
    if (this.askedAt !== undefined) {
      if (now - this.askedAt <= this.connectTimeout) return
      // The broker has not answered for long: the connection may be dead. A new one shows it. The old one ends later.
      this.client.disconnect(true)
      return this.lost()
    }
    this.askedAt = now
    const { discipline, kind, max, min, rate, size } = this.identity
    const rateText = rate === undefined ? "" : `${rate.limit} per ${rate.window} ms`
    const args = [recordFormat, discipline, kind, size, min, max, rateText, rate?.limit ?? "", rate?.window ?? ""]
    whenSettled(
      runScript(this.client, "open", recordKeys(this.keys), args),
      (fields) => {
        this.askedAt = undefined
        if (!this.isClosed) this.read(fields as ReadonlyArray<string>)
      },
      (error) => {
        this.askedAt = undefined
        this.lastError = (error as Error).message
      }
    )
  }

  private schedule(): void {
    this.timer = setTimeout(() => this.poll(), pollInterval)
  }

  private read(fields: ReadonlyArray<string>): void {
    const record = new Map<string, string>()
    for (let i = 0; i + 1 < fields.length; i += 2) record.set(fields[i]!, fields[i + 1]!)
    const expected = describe(recordFormat, this.identity.discipline, this.identity.kind)
    const actual = describe(record.get("format"), record.get("discipline"), record.get("kind"))
    if (actual !== expected) this.mismatch = new PoolMismatch({ name: this.name, expected, actual })
    this.record = {
      paused: record.get("paused") === "1",
      epoch: Number(record.get("epoch") ?? 0)
    }
    const wasUp = this.isUp
    this.isUp = this.mismatch === undefined && this.client.status === "ready"
    if (this.isUp && !wasUp) this.onContact(true)
    // Nothing of this process will be answered any more.
    if (this.mismatch !== undefined) this.onContact(false)
    if (this.isUp || this.mismatch !== undefined) this.notify()
  }

  private lost(): void {
    // A broker that was asked and has not answered may have been away since.
    if (this.isUp) this.downSince = this.askedAt ?? performance.now()
    this.askedAt = undefined
    const wasUp = this.isUp
    this.isUp = false
    if (wasUp && !this.isClosed) this.onContact(false)
  }

  private notify(): void {
    const watchers = [...this.watchers]
    this.watchers.clear()
    for (const watcher of watchers) watcher()
  }

  /** Milliseconds until operations fail as unreachable; 0 if they do now. */
  get patience(): number {
    return this.isUp ? Infinity : Math.max(0, this.downSince + this.connectTimeout - performance.now())
  }

  /** Whether the broker can never be up again for this process. */
  get isLost(): boolean {
    return this.isClosed || this.mismatch !== undefined
  }

  /** Calls back once when the broker is up, or can never be. Returns how to stop waiting. */
  whenUp(callback: () => void): () => void {
    if (this.isUp || this.isLost) {
      callback()
      return () => {}
    }
    this.watchers.add(callback)
    return () => void this.watchers.delete(callback)
  }

  notAvailable(reason: "Paused" | "Closed" | "Unreachable"): NotAvailable {
    return new NotAvailable({ reason, pool: this.name })
  }

  /** Waits until the broker is up, within its patience. */
  readonly ready: Effect.Effect<void, NotAvailable> = Effect.suspend(() => {
    if (this.isUp && !this.isClosed) return Effect.void
    const settled = Effect.suspend((): Effect.Effect<void, NotAvailable> => {
      if (this.isClosed) return Effect.fail(this.notAvailable("Closed"))
      if (this.mismatch !== undefined) return Effect.die(this.mismatch)
      return this.isUp ? Effect.void : Effect.fail(this.notAvailable("Unreachable"))
    })
    const { patience } = this
    if (this.isLost || patience === 0) return settled
    const up = callback<void>((resume) => {
      const stop = this.whenUp(() => resume(Effect.void))
      return Effect.sync(stop)
    })
    return Effect.andThen(Effect.timeoutOption(up, patience), settled)
  })

  /** Runs a command when the broker is up. Fails as unreachable if it does not answer within `connectTimeout`. */
  command<A>(run: () => Promise<A>): Effect.Effect<A, NotAvailable> {
    const answered = settledOf(run, () => this.notAvailable("Unreachable"))
    return Effect.andThen(
      this.ready,
      Effect.timeoutOrElse(answered, {
        duration: this.connectTimeout,
        orElse: () => Effect.fail(this.notAvailable("Unreachable"))
      })
    )
  }

  /** Runs a script on the pool's record. If the broker has forgotten the pool, it is made again first. */
  script(name: ScriptName, args: ReadonlyArray<string | number>): Effect.Effect<ReadonlyArray<unknown>, NotAvailable> {
    const once = this.command(() => runScript(this.client, name, recordKeys(this.keys), args))
    const opened = callback<void>((resume) => {
      this.isUp = false
      this.downSince = performance.now()
      const stop = this.whenUp(() => resume(Effect.void))
      this.poll()
      return Effect.sync(stop)
    })
    return Effect.flatMap(once, (reply) =>
      reply.length > 0 ? Effect.succeed(reply) : Effect.andThen(Effect.timeoutOption(opened, this.connectTimeout), once)
    )
  }

  close(): void {
    this.isClosed = true
    clearTimeout(this.timer)
    this.notify()
  }
}

const describe = (format: unknown, discipline: unknown, kind: unknown): string =>
  `${String(kind)} ${String(discipline)}, record format ${String(format)}`
