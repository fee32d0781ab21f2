/** A Chromium whose page is monitored: the system's, or the one from npm; the system's Firefox; and axe. */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { createRequire } from "node:module"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { pathToFileURL } from "node:url"
import { folder } from "../support/folder.ts"
import { run } from "../support/process.ts"

/** The part of playwright's Locator that the checks use. */
export interface Locator {
  readonly waitFor: (
    options?: { readonly timeout?: number; readonly state?: "attached" | "visible" | "hidden" }
  ) => Promise<void>
  readonly count: () => Promise<number>
  readonly first: () => Locator
  readonly getAttribute: (name: string) => Promise<string | null>
  readonly innerText: () => Promise<string>
  readonly allInnerTexts: () => Promise<ReadonlyArray<string>>
  readonly click: (options?: { readonly force?: boolean }) => Promise<void>
  readonly focus: () => Promise<void>
  readonly press: (key: string) => Promise<void>
  readonly or: (other: Locator) => Locator
  readonly filter: (options: { readonly hasText: string }) => Locator
  readonly fill: (text: string) => Promise<void>
  readonly selectOption: (value: string) => Promise<unknown>
  readonly getByRole: Page["getByRole"]
}

export interface Download {
  readonly suggestedFilename: () => string
  readonly path: () => Promise<string>
}

/** The part of playwright's Page that the checks use. */
export interface Page {
  readonly keyboard: { readonly press: (key: string) => Promise<void> }
  readonly goto: (url: string) => Promise<unknown>
  readonly goBack: () => Promise<unknown>
  readonly goForward: () => Promise<unknown>
  readonly reload: () => Promise<unknown>
  readonly url: () => string
  readonly title: () => Promise<string>
  readonly evaluate: (expression: string) => Promise<unknown>
  readonly addInitScript: (script: string) => Promise<unknown>
  readonly waitForFunction: (expression: string) => Promise<unknown>
  readonly getByRole: (
    role: string,
    options?: { readonly name?: string | RegExp; readonly exact?: boolean; readonly level?: number }
  ) => Locator
  readonly locator: (selector: string) => Locator
  readonly waitForTimeout: (millis: number) => Promise<void>
  readonly waitForURL: (url: RegExp) => Promise<void>
  readonly waitForEvent: (name: "download") => Promise<Download>
  readonly setViewportSize: (size: { readonly width: number; readonly height: number }) => Promise<void>
  readonly screenshot: (options: { readonly path: string; readonly fullPage?: boolean }) => Promise<unknown>
  readonly mouse: {
    readonly move: (x: number, y: number) => Promise<void>
    readonly wheel: (x: number, y: number) => Promise<void>
  }
  readonly context: () => Context
  readonly close: () => Promise<void>
}

interface Emitter {
  readonly on: (event: string, listener: (value: never) => void) => void
}

export interface Context {
  readonly newPage: () => Promise<Page & Emitter>
  readonly newCDPSession: (page: Page) => Promise<{
    readonly send: (method: string) => Promise<{ readonly usedSize: number }>
  }>
  readonly setDefaultTimeout: (millis: number) => void
  readonly close: () => Promise<void>
}

export interface Browser extends AsyncDisposable {
  readonly version: () => string
  readonly newContext: (options: {
    readonly colorScheme: "light" | "dark"
    readonly width: number
    readonly bypassCSP?: boolean
    readonly reducedMotion?: "reduce"
    readonly forcedColors?: "active"
    readonly javaScriptEnabled?: boolean
  }) => Promise<Context>
  /** Does what saves a file, and returns its name and text. */
  readonly download: (page: Page, act: () => Promise<void>) => Promise<{ readonly name: string; readonly text: string }>
  /** The source of axe. */
  readonly axe: string
}

const packages = ["playwright-core@1.65.1", "axe-core@4.14.1"]
// Later versions send commands that Firefox 153 does not know.
const packagesForFirefox = ["playwright-core@1.60.0", "axe-core@4.14.1"]
const system = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].find(existsSync)

/** The system's Firefox, if there is one. */
export const firefox = ["/usr/lib/firefox-esr/firefox-esr", "/usr/lib/firefox/firefox", "/usr/bin/firefox"].find(
  existsSync
)

/**
 * Starts the browser: Chromium, or the system's Firefox. The sandbox of Chromium is off, because it only opens this
 * repository's own pages.
 */
export const startBrowser = async (options: { readonly firefox?: boolean } = {}): Promise<Browser> => {
  const path = folder(options.firefox === true ? "ui-firefox" : "ui")
  const wanted = options.firefox === true
    ? packagesForFirefox
    : system === undefined
    ? [...packages, "@sparticuz/chromium@147.0.0"]
    : packages
  if (!wanted.every((name) => existsSync(join(path, "node_modules", name.slice(0, name.lastIndexOf("@")))))) {
    console.error(`making ${path}: ${wanted.join(" ")}`)
    writeFileSync(join(path, "package.json"), JSON.stringify({ private: true, type: "module" }))
    await run("npm", ["install", "--no-audit", "--no-fund", "--loglevel=error", ...wanted], { cwd: path })
  }
  const require = createRequire(join(path, "package.json"))
  const load = (name: string) =>
    import(pathToFileURL(require.resolve(name)).href) as Promise<{ readonly default: unknown }>
  const binary = options.firefox === true ? "" : system ??
    await ((await load("@sparticuz/chromium")).default as { readonly executablePath: () => Promise<string> })
      .executablePath()
  interface BrowserType {
    readonly launch: (options: object) => Promise<{
      readonly version: () => string
      readonly newContext: (options: object) => Promise<Context>
      readonly close: () => Promise<void>
    }>
  }
  const playwright = (await load("playwright-core")).default as {
    readonly chromium: BrowserType
    readonly firefox: BrowserType
  }
  if (options.firefox === true && firefox === undefined) throw new Error("install Firefox: none was found")
  const downloads = mkdtempSync(join(tmpdir(), "effect-prefect-downloads-"))
  process.on("exit", () => rmSync(downloads, { recursive: true, force: true }))
  const browser = options.firefox === true
    ? await playwright.firefox.launch({
      channel: "moz-firefox",
      executablePath: firefox,
      downloadsPath: downloads
    })
    : await playwright.chromium.launch({ executablePath: binary, args: ["--no-sandbox", "--disable-gpu"] })
  return {
    version: () => browser.version(),
    newContext: async ({ width, ...rest }) => {
      const context = await browser.newContext({ ...rest, viewport: { width, height: 900 }, acceptDownloads: true })
      // For any load of the machine.
      context.setDefaultTimeout(120_000)
      return context
    },
    download: async (page, act) => {
      if (options.firefox !== true) {
        const [download] = await Promise.all([page.waitForEvent("download"), act()])
        return { name: download.suggestedFilename(), text: readFileSync(await download.path(), "utf8") }
      }
      // Firefox reports the download of a blob without a navigation, and the library passes such reports over.
      const before = new Set(readdirSync(downloads))
      await act()
      for (let i = 0; i < 300; i++) {
        const name = readdirSync(downloads).find((name) => !before.has(name) && !name.endsWith(".part"))
        const text = name === undefined ? "" : readFileSync(join(downloads, name), "utf8")
        if (name !== undefined && text !== "") return { name, text }
        await page.waitForTimeout(100)
      }
      throw new Error("nothing was saved")
    },
    axe: readFileSync(require.resolve("axe-core/axe.min.js"), "utf8"),
    [Symbol.asyncDispose]: () => browser.close()
  }
}

/** The bytes of a page's live objects. */
export const heapOf = async (page: Page): Promise<number> => {
  const session = await page.context().newCDPSession(page)
  await session.send("HeapProfiler.collectGarbage")
  return (await session.send("Runtime.getHeapUsage")).usedSize
}

/** Problems of a page besides its content: errors in its console, reports of its policy, foreign requests. */
export const watch = (page: Page & Emitter, origin: string): ReadonlyArray<string> => {
  const seen: Array<string> = []
  page.on("console", (message: { readonly type: () => string; readonly text: () => string }) => {
    if (message.type() === "error") seen.push(`console: ${message.text()}`)
  })
  page.on("pageerror", (error: Error) => seen.push(`error: ${error.message}`))
  page.on("request", (request: { readonly url: () => string }) => {
    const url = request.url()
    if (!url.startsWith(origin) && !url.startsWith("blob:") && !url.startsWith("data:")) seen.push(`request: ${url}`)
  })
  return seen
}
