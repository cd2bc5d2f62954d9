/** The same jobs in the peers' form: one argument, and their own way to transfer a result. */
import { move } from "piscina"
import * as jobs from "./jobs.ts"

export const noop = (n: number) => n
export const spin = (milliseconds: number) => jobs.spin(milliseconds)
export const transferred = (bytes: Uint8Array<ArrayBuffer>): unknown => move(bytes)
export const shared = (bytes: Uint8Array) => bytes[0]
export const hang = (cells: Int32Array) => jobs.hang(cells)
