/** A headless Chromium, from npm: its binary and the library that drives it are installed into `.conformance/chromium`. */
import { existsSync, writeFileSync } from "node:fs"
import { createRequire } from "node:module"
import { join } from "node:path"
import { pathToFileURL } from "node:url"
import { against } from "./against.ts"
import { folder } from "./folder.ts"
import { run } from "./process.ts"

/** The part of playwright-core's Page that is used here. */
export interface Page {
  readonly goto: (url: string) => Promise<unknown>
  readonly evaluate: (expression: string) => Promise<unknown>
}

export interface Chromium extends AsyncDisposable {
  readonly version: () => string
  readonly newPage: () => Promise<Page>
}

const packages = ["playwright-core@1.65.1", "@sparticuz/chromium@147.0.0"]

/** Starts the browser. Its sandbox is off, because it only opens this repository's own pages. */
export const startChromium = async (): Promise<Chromium> => {
  const path = folder("chromium")
  if (!existsSync(join(path, "node_modules", "@sparticuz", "chromium"))) {
    console.error(`making .conformance/chromium: ${packages.join(" ")}`)
    writeFileSync(join(path, "package.json"), JSON.stringify({ private: true, type: "module" }))
    await run("npm", ["install", "--no-audit", "--no-fund", "--loglevel=error", ...packages], { cwd: path })
  }
  const load = (name: string) => import(pathToFileURL(createRequire(join(path, "package.json")).resolve(name)).href)
  const { default: binary } = await load("@sparticuz/chromium") as {
    readonly default: { readonly executablePath: () => Promise<string> }
  }
  const { default: { chromium } } = await load("playwright-core") as {
    readonly default: {
      readonly chromium: {
        readonly launch: (options: object) => Promise<
          { readonly version: () => string; readonly newPage: () => Promise<Page>; readonly close: () => Promise<void> }
        >
      }
    }
  }
  const browser = await chromium.launch({
    executablePath: await binary.executablePath(),
    args: ["--no-sandbox", "--no-zygote", "--single-process", "--disable-gpu"]
  })
  against(`Chromium ${browser.version()}`)
  return {
    version: () => browser.version(),
    newPage: () => browser.newPage(),
    [Symbol.asyncDispose]: () => browser.close()
  }
}
