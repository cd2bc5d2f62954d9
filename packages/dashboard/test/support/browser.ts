/// <reference lib="dom" />
/** Pages in a real Chromium, and what went wrong in them. */
import * as Effect from "effect/Effect"
import { mkdirSync } from "node:fs"
import { join } from "node:path"
import { type Browser, chromium, type Page } from "playwright-core"

const launch = () =>
  chromium.launch({
    executablePath: process.env["CHROMIUM"] ?? "/usr/bin/chromium",
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync"
    ]
  })

/** What a page must not do. */
export interface Problems {
  readonly errors: Array<string>
  readonly violations: Array<string>
  readonly foreign: Array<string>
}

export interface Tab {
  readonly page: Page
  readonly problems: Problems
}

interface TabOptions {
  readonly scheme?: "light" | "dark"
  readonly width?: number
  readonly height?: number
}

/** Starts a browser until the scope closes. */
export const openBrowser = Effect.acquireRelease(Effect.promise(launch), (browser) =>
  Effect.promise(() => browser.close())
)

/** Opens a page that waits for its first frame. */
export const openTab = (browser: Browser, address: string, options: TabOptions = {}): Effect.Effect<Tab> =>
  Effect.promise(async () => {
    const { height = 800, scheme = "light", width = 1180 } = options
    const context = await browser.newContext({ viewport: { width, height }, colorScheme: scheme })
    const page = await context.newPage()
    // A page that never gets there fails its test, not the whole run.
    page.setDefaultTimeout(60_000)
    const problems: Problems = { errors: [], violations: [], foreign: [] }
    const { origin } = new URL(address)
    page.on("pageerror", (error) => problems.errors.push(String(error)))
    page.on("console", (message) => {
      // A server that is gone is no fault of the page.
      if (message.type() === "error" && !message.text().includes("net::ERR_")) problems.errors.push(message.text())
    })
    page.on("request", (request) => {
      if (new URL(request.url()).origin !== origin) problems.foreign.push(request.url())
    })
    await page.exposeFunction("reportViolation", (directive: string) => void problems.violations.push(directive))
    await page.addInitScript(() => {
      document.addEventListener("securitypolicyviolation", ({ blockedURI, effectiveDirective }) => {
        // oxlint-disable-next-line typescript/no-unsafe-call
        ;(globalThis as any).reportViolation(`${effectiveDirective} ${blockedURI}`)
      })
    })
    await page.goto(address)
    return { page, problems }
  })

const root = join(import.meta.dirname, "../../../..")

/** Keeps a picture of the page in `.vitest/screenshots`. */
export const keepPicture = async (page: Page, name: string): Promise<void> => {
  const folder = join(root, ".vitest/screenshots")
  mkdirSync(folder, { recursive: true })
  await page.screenshot({ path: join(folder, `${name}.png`) })
}

/** Renews a picture of the documentation, if `PICTURES=docs` asks for it, when the curves have so many seconds to show. */
export const renewPicture = async (page: Page, name: string, seconds: number): Promise<void> => {
  if (process.env["PICTURES"] !== "docs") return
  await page.waitForTimeout(1000 * seconds)
  await page.screenshot({ path: join(root, "docs/observability", `${name}.png`) })
}
