/**
 * The connections of one pool in one process: makes them, knows the copies that BullMQ makes, and cuts them all.
 *
 * BullMQ's own `close` waits for the broker, also when it is down. Here `cut` ends every socket and every reconnect timer
 * at once, whatever the broker does, so that the process can end.
 */
import type { Redis } from "ioredis"

/** The connections of a pool. */
export class Connections {
  private readonly make: () => Redis
  private readonly open = new Set<Redis>()
  private isCut = false

  constructor(make: () => Redis) {
    this.make = make
  }

  /** Makes a connection. Errors are known by the connection's status, and need no listener of their own. */
  connect(): Redis {
    return this.track(this.make())
  }

  private track(client: Redis): Redis {
    // Without a listener an error of the connection would end the process.
    client.on("error", () => {})
    const disconnect = client.disconnect.bind(client)
    client.disconnect = (reconnect) => {
      // A socket that is ended while its certificate is refused reports two errors. ioredis listens for one.
      client.stream?.on("error", () => {})
      disconnect(reconnect)
    }
    const duplicate = client.duplicate.bind(client)
    client.duplicate = (override) => this.track(duplicate(override))
    // BullMQ connects again a connection that it finds ended, which would keep the process alive forever.
    const connect = client.connect.bind(client)
    client.connect = (callback) => (this.isCut ? Promise.reject(new Error("Connection is closed.")) : connect(callback))
    this.open.add(client)
    client.once("end", () => this.open.delete(client))
    if (this.isCut) client.disconnect(false)
    return client
  }

  /** Ends a connection now. */
  disconnect(client: Redis): void {
    this.open.delete(client)
    client.disconnect(false)
  }

  /** Ends all connections now, and those that BullMQ may still make. */
  cut(): void {
    this.isCut = true
    for (const client of this.open) client.disconnect(false)
    this.open.clear()
  }
}
