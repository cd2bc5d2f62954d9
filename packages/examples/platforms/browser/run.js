import assert from "node:assert/strict"
import { readFileSync } from "node:fs"
import { createServer } from "node:http"
import { chromium } from "playwright-core"

const files = {
  "/": ["text/html", '<!doctype html><link rel="icon" href="data:,"><script type="module" src="main.js"></script>'],
  "/main.js": ["text/javascript", readFileSync("dist/main.js")]
}
const server = createServer(({ url }, response) => {
  const [type, body] = files[url] ?? ["text/plain", "not found"]
  response.writeHead(url in files ? 200 : 404, { "content-type": type }).end(body)
})
await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve))

// Each launch has a fresh profile.
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync"
  ]
})
try {
  const page = await browser.newPage()
  const problems = []
  page.on("pageerror", (error) => problems.push(String(error)))
  page.on("console", (message) => {
    if (message.type() === "error" || message.type() === "warning") problems.push(message.text())
  })
  await page.goto(`http://127.0.0.1:${server.address().port}/`)
  const results = await page.evaluate(() => globalThis.results)
  assert.deepEqual(results, {
    submits: ["user 1", "user 2", "user 3", 2, 4, 6],
    priorities: [1, 2, 3],
    closes: [2, 0, 0, "NotAvailable"],
    autoScales: [100, 99, true],
    draws: [true, true],
    inline: 42
  })
  assert.deepEqual(problems, [])
  console.log(`the core in Chromium ${browser.version()}`)
} finally {
  await browser.close()
  server.close()
}
