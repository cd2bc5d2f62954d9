/**
 * Tries the built site in Chromium: the playground, by mouse and keyboard, in light and dark, wide and narrow.
 *
 *     node docs/site/browser.ts                  tests it
 *     node docs/site/browser.ts --shots folder   also writes screenshots
 *     node docs/site/browser.ts --measure        measures the cost of a frame with 20 and with 200 tasks in view
 */
import assert from "node:assert/strict"
import { existsSync, mkdirSync, readFileSync, statSync } from "node:fs"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { extname, join } from "node:path"
import { parseArgs } from "node:util"
import { type BrowserContextOptions, chromium, type Page } from "playwright-core"

const { values: flags } = parseArgs({ options: { shots: { type: "string" }, measure: { type: "boolean" } } })
const dist = join(import.meta.dirname, "dist")

const types: Record<string, string> = {
  ".html": "text/html",
  ".js": "text/javascript",
  ".css": "text/css",
  ".svg": "image/svg+xml",
  ".png": "image/png",
  ".woff2": "font/woff2",
  ".json": "application/json"
}

const server = createServer((request, response) => {
  const path = decodeURIComponent(new URL(request.url!, "http://localhost").pathname)
  const file = [path, `${path}.html`, join(path, "index.html")]
    .map((each) => join(dist, each))
    .find((each) => each.startsWith(dist) && existsSync(each) && statSync(each).isFile())
  response.writeHead(file === undefined ? 404 : 200, { "content-type": types[extname(file ?? "")] ?? "text/plain" })
  response.end(file === undefined ? "not found" : readFileSync(file))
})
await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`

const browser = await chromium.launch({
  executablePath: process.env["CHROMIUM"] ?? "/usr/bin/chromium",
  args: [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync"
  ]
})

/** Opens a page and runs `use`. Fails if the page logs an error, or asks anything of another server. */
const withPage = async (path: string, options: BrowserContextOptions, use: (page: Page) => Promise<void>) => {
  const context = await browser.newContext({ viewport: { width: 1180, height: 1000 }, ...options })
  const page = await context.newPage()
  const errors: Array<string> = []
  page.on("pageerror", (error) => errors.push(String(error)))
  page.on("console", (message) => message.type() === "error" && errors.push(message.text()))
  page.on("request", (request) => request.url().startsWith(address) || errors.push(`asked for ${request.url()}`))
  await page.goto(`${address}/${path}`)
  await use(page)
  assert.deepEqual(errors, [])
  await context.close()
}

const shot = async (page: Page, name: string): Promise<void> => {
  if (flags.shots === undefined) return
  mkdirSync(flags.shots, { recursive: true })
  await page.screenshot({ path: join(flags.shots, `${name}.png`), fullPage: true })
}

const number = async (page: Page, name: string): Promise<number> => {
  const text = await page.locator(".numbers div", { hasText: name }).locator("dd").innerText()
  return Number.parseFloat(text)
}
const time = async (page: Page): Promise<number> => Number.parseFloat(await page.locator(".time").innerText())
/** Waits until the simulated time has passed. */
const untilTime = (page: Page, seconds: number) =>
  page.waitForFunction((seconds) => Number.parseFloat(document.querySelector(".time")!.textContent) >= seconds, seconds)
const ready = (page: Page) => page.locator("canvas.scene").waitFor()

const tests: Record<string, () => Promise<void>> = {
  "tasks pass through the pool, and pausing, steps and restarting change the time": () =>
    withPage("playground", {}, async (page) => {
      await ready(page)
      await page.selectOption(".bar select", "5")
      await untilTime(page, 3)
      assert.ok((await number(page, "done")) > 0)
      await page.getByRole("button", { name: "Pause" }).click()
      const paused = await time(page)
      await page.waitForTimeout(400)
      assert.equal(await time(page), paused)
      for (let i = 0; i < 20; i++) await page.getByRole("button", { name: "Step" }).click()
      assert.ok((await time(page)) > paused)
      await page.getByRole("button", { name: "Restart" }).click()
      assert.equal(await time(page), 0)
    }),

  "a link carries the settings": () =>
    withPage("playground", {}, async (page) => {
      await ready(page)
      await page.locator('input[name="arrivals"]').fill("200")
      await page.getByLabel("Order").selectOption("priority")
      assert.match(page.url(), /#(arrivals=200&order=priority|order=priority&arrivals=200)$/)
      await withPage(page.url().slice(address.length + 1), {}, async (other) => {
        await ready(other)
        assert.equal(await other.locator('input[name="arrivals"]').inputValue(), "200")
        assert.equal(await other.getByLabel("Order").inputValue(), "priority")
      })
      await withPage("playground#arrivals=1e9&order=%3Cscript%3E&size=NaN", {}, async (hostile) => {
        await ready(hostile)
        assert.equal(await hostile.locator('input[name="arrivals"]').inputValue(), "300")
        assert.equal(await hostile.getByLabel("Order").inputValue(), "fifo")
      })
    }),

  "an auto-scale pool finds the limit and says why": () =>
    withPage("playground", {}, async (page) => {
      await ready(page)
      await page.getByRole("button", { name: "Find the limit" }).click()
      await page.selectOption(".bar select", "5")
      await untilTime(page, 20)
      assert.ok((await number(page, "throughput")) > 75, "more than half of what arrives")
      assert.ok((await page.locator("tbody tr").count()) > 0)
      assert.match(await page.locator("tbody").innerText(), /\b(GROW|START|STEP|VERIFY|RESTORE|HOLD)\b/)
      await shot(page, "find-the-limit")
    }),

  "every example runs": () =>
    withPage("playground", {}, async (page) => {
      await ready(page)
      await page.selectOption(".bar select", "5")
      for (const button of await page.locator(".presets button").all()) {
        await button.click()
        await untilTime(page, 4)
        assert.ok((await number(page, "done")) > 0, await button.innerText())
        assert.equal(await button.getAttribute("aria-pressed"), "true")
        await shot(page, (await button.innerText()).toLowerCase().replaceAll(" ", "-"))
      }
    }),

  "the keyboard reaches every control": () =>
    withPage("playground", {}, async (page) => {
      await ready(page)
      await page.locator(".presets button").first().focus()
      const seen = new Set<string>()
      const total = await page.locator(".playground :is(button, select, input)").count()
      for (let i = 0; i < total; i++) {
        seen.add(
          await page.evaluate(() =>
            [...document.querySelectorAll(".playground :is(button, select, input)")]
              .indexOf(document.activeElement!)
              .toString()
          )
        )
        await page.keyboard.press("Tab")
      }
      assert.equal(seen.size, total)
      await page.locator('input[name="size"]').focus()
      await page.keyboard.press("ArrowRight")
      assert.match(page.url(), /size=9/)
      await page.getByRole("button", { name: "Pause" }).focus()
      await page.keyboard.press("Space")
      assert.equal(await page.getByRole("button", { name: "Play" }).count(), 1)
    }),

  "it fits into 320 pixels, in the dark, with reduced motion": () =>
    withPage(
      "playground",
      { viewport: { width: 320, height: 700 }, colorScheme: "dark", reducedMotion: "reduce" },
      async (page) => {
        await ready(page)
        await untilTime(page, 1)
        const { body, view } = await page.evaluate(() => ({
          body: document.documentElement.scrollWidth,
          view: innerWidth
        }))
        assert.ok(body <= view, `${body} pixels wide`)
        await shot(page, "narrow-dark")
      }
    ),

  "the search finds a page": () =>
    withPage("", {}, async (page) => {
      await page
        .getByRole("button", { name: /search/i })
        .first()
        .click()
      await page.keyboard.type("dead-lock nested")
      await page.locator(".results .result").first().waitFor()
      assert.match(await page.locator(".results").innerText(), /nested/i)
    })
}

/** Measures script, style and layout of a frame, in milliseconds: the median of five seconds each. */
const measure = async (): Promise<void> => {
  const costs: Array<number> = []
  for (const [tasks, fragment] of [
    [20, "size=10&arrivals=150&latency=100&capacity=10&serverCapacity=10&onFull=fail"],
    [200, "size=64&arrivals=300&latency=1000&capacity=100&serverCapacity=64"]
  ] as const) {
    await withPage(`playground#${fragment}`, {}, async (page) => {
      await ready(page)
      await page.selectOption(".bar select", "5")
      await untilTime(page, 5)
      await page.selectOption(".bar select", "1")
      const session = await page.context().newCDPSession(page)
      await session.send("Performance.enable")
      const read = async () => {
        const { metrics } = await session.send("Performance.getMetrics")
        const value = (name: string) => metrics.find((metric) => metric.name === name)!.value * 1000
        return value("ScriptDuration") + value("RecalcStyleDuration") + value("LayoutDuration")
      }
      const frames: Array<number> = []
      for (let i = 0; i < 20; i++) {
        const before = await read()
        const count = await page.evaluate(
          () =>
            new Promise<number>((resolve) => {
              let count = 0
              const end = performance.now() + 250
              const next = () => (performance.now() < end ? (count++, requestAnimationFrame(next)) : resolve(count))
              requestAnimationFrame(next)
            })
        )
        frames.push(((await read()) - before) / Math.max(1, count))
      }
      const shown = await page.locator("canvas.scene").getAttribute("aria-label")
      const median = frames.sort((a, b) => a - b)[10]!
      costs.push(median)
      console.log(`${tasks} tasks in view (${shown}): ${median.toFixed(2)} ms a frame`)
    })
  }
  console.log(`ratio ${(costs[1]! / costs[0]!).toFixed(2)}`)
}

let failed = 0
if (flags.measure === true) await measure()
else {
  for (const [name, test] of Object.entries(tests)) {
    try {
      await test()
      console.log(`ok    ${name}`)
    } catch (error) {
      failed++
      console.log(`FAIL  ${name}\n${error instanceof Error ? error.stack : String(error)}`)
    }
  }
  console.log(`${Object.keys(tests).length - failed} passed, ${failed} failed, 0 skipped`)
}
await browser.close()
server.close()
process.exitCode = failed > 0 ? 1 : 0
