/** HTTP over real sockets, byte by byte, so that a test can send what a browser or a client library would not. */
import { connect } from "node:net"

export interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

/** Sends one request and reads the answer until the server closes the connection. */
export const send = (port: number, lines: ReadonlyArray<string>, body = ""): Promise<Answer> =>
  new Promise((resolve, reject) => {
    const socket = connect(port, "127.0.0.1")
    let text = ""
    socket.setEncoding("utf8")
    socket.on("data", (chunk) => (text += chunk))
    socket.on("error", reject)
    socket.on("close", () => {
      const [head = "", ...rest] = text.split("\r\n\r\n")
      const [status = "", ...fields] = head.split("\r\n")
      const headers = Object.fromEntries(
        fields.map((field) => [field.slice(0, field.indexOf(":")).toLowerCase(), field.slice(field.indexOf(":") + 2)])
      )
      resolve({ status: Number(status.split(" ")[1]), headers, body: rest.join("\r\n\r\n") })
    })
    const length = body === "" ? [] : [`Content-Length: ${Buffer.byteLength(body)}`]
    socket.write([...lines, "Connection: close", ...length, "", body].join("\r\n"))
  })
