/// <reference lib="dom" />
// The page in a real Chromium. Nothing here waits for a fixed time: each step waits for what the page shows.
import { AioFixedTaskPoolSimple } from "@aio-task-pool/core"
import { expect, layer } from "@effect/vitest"
import axe from "axe-core"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import type { Browser, Page } from "playwright-core"
import { keepPicture, openBrowser, openTab, type Problems, renewPicture } from "./support/browser.ts"
import { openMany, openSix } from "./support/load.ts"
import { isolated, open, pool } from "./support/program.ts"

class Chromium extends Context.Service<Chromium, Browser>()("test/Chromium") {}

// Base64 has these characters too.
const token = "token+of/tests=="

const hasNone = (problems: Problems): void => expect(problems).toEqual({ errors: [], violations: [], foreign: [] })

/** Runs axe in the page, as an extension would: the page's policy does not let it load scripts. */
const violations = async (page: Page): Promise<ReadonlyArray<string>> => {
  await page.evaluate(axe.source)
  // oxlint-disable-next-line typescript/no-unsafe-call
  const results: axe.AxeResults = await page.evaluate(() => (globalThis as any).axe.run())
  expect(results.passes.length).toBeGreaterThan(15)
  return results.violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(" ")}`)
}

const isWithinTheWindow = async (page: Page): Promise<void> => {
  const [content, window] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth])
  expect(content).toBeLessThanOrEqual(window)
}

/** How often the page was shown. A script as text, because the test's compiler would change an import. */
const shown = 'import("./app.js").then(({ shown }) => shown)'

const rowNames = (page: Page) => page.locator(".table .name a").allTextContents()
const row = (page: Page, name: string) => page.locator(".entry", { has: page.getByRole("link", { name, exact: true }) })

layer(Layer.effect(Chromium, openBrowser), { excludeTestServices: true })((it) => {
  for (const scheme of ["light", "dark"] as const) {
    for (const width of [1180, 320]) {
      it.effect(`shows six pools under load, ${scheme}, ${width} px wide, without a fault that axe finds`, () =>
        isolated(
          Effect.gen(function* () {
            const browser = yield* Chromium
            const { address } = yield* open({ actions: true, token })
            yield* openSix
            const { page, problems } = yield* openTab(browser, `${address}/#token=${token}`, { scheme, width })
            yield* Effect.promise(async () => {
              await row(page, "import").getByText("is paused while callers come").waitFor()
              await row(page, "mail").getByText("its queue is full").waitFor()
              expect((await rowNames(page)).length).toBe(6)
              await isWithinTheWindow(page)
              expect(await violations(page)).toEqual([])
              await keepPicture(page, `overview-${scheme}-${width}`)
              if (scheme === "light" && width > 1000) await renewPicture(page, "dashboard-pools", 60)

              await page.getByRole("link", { name: "fetch" }).click()
              await page.getByRole("heading", { name: "fetch" }).waitFor()
              await page
                .getByRole("region", { name: "Why this size" })
                .getByText(/^(HOLD|IDLE|START)/)
                .first()
                .waitFor()
              await page.locator(".uplot canvas").nth(3).waitFor()
              await page.locator(".mark").first().waitFor()
              // The curves follow the frames.
              await page.waitForFunction(() => /done [1-9]/.test(document.body.textContent))
              await isWithinTheWindow(page)
              expect(await violations(page)).toEqual([])
              await keepPicture(page, `pool-${scheme}-${width}`)
            })
            hasNone(problems)
          })
        )
      )
    }
  }

  it.effect("shows a single pool, and a program without pools", () =>
    isolated(
      Effect.gen(function* () {
        const { address } = yield* open()
        const { page, problems } = yield* openTab(yield* Chromium, address)
        yield* Effect.promise(() => page.getByText("No pool is open").waitFor())
        yield* pool("alone")
        yield* Effect.promise(async () => {
          await row(page, "alone").waitFor()
          expect(await violations(page)).toEqual([])
          await keepPicture(page, "one-pool")
        })
        hasNone(problems)
      })
    )
  )

  it.effect("can be used with the keyboard alone", () =>
    isolated(
      Effect.gen(function* () {
        const { address } = yield* open()
        for (const name of ["alpha", "beta", "gamma"]) yield* pool(name)
        const { page } = yield* openTab(yield* Chromium, address)
        yield* Effect.promise(async () => {
          await row(page, "gamma").waitFor()
          const focused = () =>
            page.evaluate(() => (document.activeElement?.textContent || document.activeElement?.id) ?? "")
          const walk = async (key: string, names: ReadonlyArray<string>) => {
            for (const name of names) {
              await page.keyboard.press(key)
              expect([key, await focused()]).toEqual([key, name])
            }
          }
          await walk("Tab", ["Task pools", "Freeze", "filter", "alpha", "beta"])
          await walk("ArrowDown", ["gamma", "gamma"])
          await walk("ArrowUp", ["beta"])
          await page.keyboard.press("Enter")
          await page.getByRole("heading", { name: "beta" }).waitFor()
          await page.waitForFunction(() => document.activeElement?.id === "title")
          await page.keyboard.press("Escape")
          await page.waitForFunction(() => document.activeElement?.matches(".table a[href='#pool=beta']"))
          await walk("/", ["filter"])
          await page.keyboard.type("GAM")
          await page.waitForFunction(() => document.querySelectorAll(".table .name a").length === 1)
          expect(await rowNames(page)).toEqual(["gamma"])
          await page.keyboard.press("Escape")
          await page.waitForFunction(() => document.querySelectorAll(".table .name a").length === 3)
          await page.keyboard.press("f")
          await page.getByRole("button", { name: "Freeze", pressed: true }).waitFor()
          await page.keyboard.press("f")
          await page.getByRole("button", { name: "Freeze", pressed: false }).waitFor()
        })
      })
    )
  )

  it.effect("shows names and labels of any content as text", () =>
    isolated(
      Effect.gen(function* () {
        const hostile = `</script><img src=x onerror="globalThis.hacked=1">&amp;<b>`
        const { address } = yield* open()
        const db = yield* pool(hostile, { size: 1 })
        yield* Effect.forkScoped(db.submit(Effect.never, { label: hostile }))
        const { page, problems } = yield* openTab(yield* Chromium, address)
        yield* Effect.promise(async () => {
          await page.getByRole("link", { name: hostile, exact: true }).click()
          await page.getByRole("heading", { name: hostile, exact: true }).waitFor()
          await page.getByRole("cell", { name: hostile, exact: true }).waitFor()
          expect(await page.evaluate(() => [document.images.length, "hacked" in globalThis])).toEqual([0, false])
          // A reload comes back to the same pool.
          await page.reload()
          await page.getByRole("heading", { name: hostile, exact: true }).waitFor()
        })
        hasNone(problems)
      })
    )
  )

  it.effect("connects again when the program was restarted, and shows its new pools", () =>
    isolated(
      Effect.gen(function* () {
        const first = yield* Scope.make()
        const { address, port } = yield* Scope.provide(open(), first)
        const { page, problems } = yield* openTab(yield* Chromium, address)
        yield* Effect.promise(() => page.getByText("live", { exact: true }).waitFor())
        yield* Scope.close(first, Exit.void)
        yield* Effect.promise(() => page.getByText("the program does not answer").waitFor())
        yield* open({ port })
        yield* pool("after")
        yield* Effect.promise(async () => {
          await row(page, "after").waitFor()
          await page.getByText("live", { exact: true }).waitFor()
        })
        hasNone(problems)
      })
    )
  )

  it.effect("reads nothing while its tab is hidden, and goes on when it is shown", () =>
    isolated(
      Effect.gen(function* () {
        const { address } = yield* open({ hz: 20 })
        yield* pool("before")
        const { page } = yield* openTab(yield* Chromium, address)
        yield* Effect.promise(async () => {
          await row(page, "before").waitFor()
          const ended = page.waitForEvent("requestfailed", (request) => request.url().includes("/live"))
          await page.evaluate(() => {
            Object.defineProperty(document, "hidden", { value: true, configurable: true })
            document.dispatchEvent(new Event("visibilitychange"))
          })
          await ended
        })
        yield* pool("meanwhile")
        yield* Effect.promise(async () => {
          const again = page.waitForRequest((request) => request.url().includes("/live"))
          expect(await rowNames(page)).toEqual(["before"])
          await page.evaluate(() => {
            Object.defineProperty(document, "hidden", { value: false, configurable: true })
            document.dispatchEvent(new Event("visibilitychange"))
          })
          await again
          await row(page, "meanwhile").waitFor()
        })
      })
    )
  )

  it.effect("keeps the last numbers of a pool that closes while it is shown", () =>
    isolated(
      Effect.gen(function* () {
        const { address } = yield* open()
        const scope = yield* Scope.make()
        const short = yield* Scope.provide(pool("short", { size: 5 }), scope)
        yield* short.submit(Effect.void)
        const { page, problems } = yield* openTab(yield* Chromium, `${address}/#pool=short`)
        yield* Effect.promise(() => page.getByText("1 in all").waitFor())
        yield* Scope.close(scope, Exit.void)
        yield* Effect.promise(async () => {
          await page.getByText("short has closed. These are its last numbers.").waitFor()
          expect(await page.getByText("1 in all").count()).toBe(1)
          await page.getByRole("link", { name: "all pools" }).click()
          await page.getByText("No pool is open").waitFor()
        })
        hasNone(problems)
      })
    )
  )

  it.effect("pauses, resumes and resizes a pool with the token of its address, which it hides", () =>
    isolated(
      Effect.gen(function* () {
        const { address } = yield* open({ actions: true, token })
        const db = yield* pool("db", { size: 2 })
        const { page, problems } = yield* openTab(yield* Chromium, `${address}/#pool=db&token=${token}`)
        const press = (name: string) => Effect.promise(() => page.getByRole("button", { name }).click())
        yield* press("Pause db")
        yield* db.awaitStats(({ phase }) => phase === "Paused")
        yield* press("Resume db")
        yield* db.awaitStats(({ phase }) => phase === "Open")
        yield* press("+1 worker")
        yield* db.awaitStats(({ targetSize }) => targetSize === 3)
        yield* Effect.promise(() => page.getByText("0/3", { exact: true }).waitFor())
        yield* press("−1 worker")
        yield* db.awaitStats(({ targetSize }) => targetSize === 2)
        yield* Effect.promise(async () => {
          expect(page.url()).toBe(`${address}/#pool=db`)
          expect(await page.evaluate(() => sessionStorage.length)).toBe(1)
        })
        hasNone(problems)

        const other = yield* openTab(yield* Chromium, `${address}/#pool=db`)
        yield* Effect.promise(async () => {
          await other.page.getByText("The address with #token=… allows changes.").waitFor()
          expect(await other.page.getByRole("button", { name: "Pause db" }).isDisabled()).toBe(true)
        })
        const wrong = yield* openTab(yield* Chromium, `${address}/#pool=db&token=wrong`)
        yield* Effect.promise(async () => {
          await wrong.page.getByRole("button", { name: "Pause db" }).click()
          await wrong.page.getByText("The token is missing or wrong.").waitFor()
        })
        expect((yield* db.stats).phase).toBe("Open")
      })
    )
  )

  it.effect("has no buttons that change pools unless actions are on", () =>
    isolated(
      Effect.gen(function* () {
        const { address } = yield* open()
        yield* pool("db")
        const { page } = yield* openTab(yield* Chromium, `${address}/#pool=db`)
        yield* Effect.promise(async () => {
          await page.getByRole("heading", { name: "db" }).waitFor()
          await page.getByText("No task is running.").waitFor()
          expect(await page.getByRole("button", { name: "Pause db" }).count()).toBe(0)
        })
      })
    )
  )

  it.effect("keeps the pool of an address when it hides the token, whatever the pool is called", () =>
    isolated(
      Effect.gen(function* () {
        const name = "100 % a+b & c"
        const { address } = yield* open({ actions: true, token })
        yield* pool(name)
        const { page, problems } = yield* openTab(
          yield* Chromium,
          `${address}/#pool=${encodeURIComponent(name)}&token=${token}`
        )
        yield* Effect.promise(async () => {
          await page.getByRole("button", { name: `Pause ${name}`, exact: true }).waitFor()
          await page.reload()
          await page.getByRole("button", { name: `Pause ${name}`, exact: true }).waitFor()
        })
        hasNone(problems)
      })
    )
  )

  it.effect("shows all pools although the name of one ends within a character", () =>
    isolated(
      Effect.gen(function* () {
        const { address } = yield* open({ actions: true, token })
        yield* pool("good")
        const cut = yield* pool("thumbs \u{1f44d}".slice(0, -1))
        const { page, problems } = yield* openTab(yield* Chromium, `${address}/#token=${token}`)
        yield* Effect.promise(async () => {
          await page.getByRole("link", { name: "good", exact: true }).waitFor()
          await page.getByRole("link", { name: "thumbs" }).click()
          await page.getByRole("button", { name: "Pause thumbs" }).click()
        })
        yield* cut.awaitStats(({ phase }) => phase === "Paused")
        hasNone(problems)
      })
    )
  )

  it.effect("asks for the whole address if reading needs the token", () =>
    isolated(
      Effect.gen(function* () {
        const { address } = yield* open({ host: "0.0.0.0", token })
        yield* pool("db")
        const { page } = yield* openTab(yield* Chromium, address)
        yield* Effect.promise(async () => {
          await page.getByText("Open the whole address that the program logged").waitFor()
          await page.goto(`${address}/#token=${token}`)
          await page.reload()
          await row(page, "db").waitFor()
        })
      })
    )
  )

  it.effect("holds the order of its rows while the pointer is on them", () =>
    isolated(
      Effect.gen(function* () {
        const { address } = yield* open({ hz: 20 })
        const calm = yield* pool("a-calm")
        const late = yield* AioFixedTaskPoolSimple.make({ name: "b-late", size: 1, capacity: 0, onFull: "fail" })
        const { page } = yield* openTab(yield* Chromium, address)
        yield* Effect.promise(async () => {
          await row(page, "b-late").waitFor()
          await page.getByRole("link", { name: "a-calm" }).hover()
          await page.getByText("order held while you look").waitFor()
        })
        // In trouble: it would be the first now.
        yield* Effect.forkScoped(late.submit(Effect.never))
        yield* Effect.forkScoped(
          Effect.forever(Effect.andThen(Effect.ignore(late.submit(Effect.void)), Effect.sleep(50)))
        )
        yield* calm.submit(Effect.void)
        yield* Effect.promise(async () => {
          await row(page, "b-late").getByText("!", { exact: true }).waitFor()
          expect(await rowNames(page)).toEqual(["a-calm", "b-late"])
          await page.mouse.move(0, 0)
          await page.waitForFunction(() => document.querySelector(".table .name a")?.textContent === "b-late")
        })
      })
    )
  )

  it.effect("shows the reason of a change of size at its mark, for the pointer and the keyboard", () =>
    isolated(
      Effect.gen(function* () {
        const { address } = yield* open()
        yield* openSix
        const { page } = yield* openTab(yield* Chromium, `${address}/#pool=fetch`)
        yield* Effect.promise(async () => {
          await renewPicture(page, "dashboard-pool", 30)
          const tip = page.locator(".mark .tip").last()
          await page.locator(".mark").last().focus()
          await tip.waitFor({ state: "visible" })
          expect(await tip.textContent()).toMatch(/\d+ → \d+ [A-Z]+: /)
          await page.keyboard.press("Tab")
          await tip.waitFor({ state: "hidden" })
        })
      })
    )
  )

  it.effect("a frame of 100 pools costs at most 6 times one of 5 pools, in the page's own CPU time", () =>
    Effect.gen(function* () {
      const browser = yield* Chromium
      const frameTime = (count: number) =>
        isolated(
          Effect.gen(function* () {
            const { address } = yield* open()
            yield* openMany(count)
            const { page, problems } = yield* openTab(browser, address)
            const cost = yield* Effect.promise(async () => {
              await page.waitForFunction((rows) => document.querySelectorAll(".entry").length === rows, count)
              // Time that the page's thread computes, so that other programs of the machine do not count.
              const session = await page.context().newCDPSession(page)
              await session.send("Performance.enable", { timeDomain: "threadTicks" })
              const read = async () => {
                const { metrics } = await session.send("Performance.getMetrics")
                const frames: number = await page.evaluate(shown)
                const seconds = metrics.find(({ name }) => name === "TaskDuration")!.value
                return { frames, seconds, at: performance.now() / 1000 }
              }
              const before = await read()
              let after = await read()
              while (after.frames < before.frames + 24) {
                await page.waitForTimeout(500)
                after = await read()
              }
              if (count === 100) await keepPicture(page, "100-pools")
              const seconds = after.seconds - before.seconds
              return { frame: seconds / (after.frames - before.frames), busy: seconds / (after.at - before.at) }
            })
            hasNone(problems)
            return cost
          })
        )
      const [few, many] = [yield* frameTime(5), yield* frameTime(100)]
      // The figures of docs/benchmarks/dashboard.md.
      for (const [pools, { busy, frame }] of Object.entries({ 5: few, 100: many })) {
        const share = (100 * busy).toFixed(1)
        console.log(`the page with ${pools} pools: ${(1000 * frame).toFixed(1)} ms a frame, ${share} % of the thread`)
      }
      expect(many.frame / few.frame).toBeLessThanOrEqual(6)
    })
  )
})
