/**
 * Programs bundled by esbuild, Vite (rolldown) and webpack in a project without optional packages, and run: in Node.js,
 * and, where supported, in Chromium. `docs/bundling.md` states their sizes.
 */
import { build as esbuild } from "esbuild"
import * as assert from "node:assert/strict"
import { copyFileSync, existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs"
import { createServer } from "node:http"
import { createRequire } from "node:module"
import { basename, join } from "node:path"
import { pathToFileURL } from "node:url"
import { gzipSync } from "node:zlib"
import * as Prefect3 from "../../packages/api/test/prefect3Server.ts"
import { snippets } from "../../scripts/snippets.mjs"
import { install, type Packed } from "../../scripts/tarballs.mjs"
import { against } from "../support/against.ts"
import { check } from "../support/check.ts"
import { startChromium } from "../support/chromium.ts"
import { folder, root } from "../support/folder.ts"
import { freePort, run } from "../support/process.ts"
import { serve } from "../support/served.ts"
import { probe } from "./browser.ts"

const webpackVersion = "5.113.0"

interface Bundle {
  readonly project: string
  /** In the project. */
  readonly entry: string
  readonly platform: "node" | "browser"
  /** webpack takes minutes to make everything small. */
  readonly minify: boolean
  readonly outfile: string
}

type Bundler = (bundle: Bundle) => Promise<void>

const byEsbuild: Bundler = async ({ entry, minify, outfile, platform, project }) => {
  const { warnings } = await esbuild({
    entryPoints: [join(project, entry)],
    bundle: true,
    minify,
    platform,
    format: "esm",
    outfile,
    absWorkingDir: project,
    logLevel: "silent"
  })
  assert.deepEqual(warnings.filter(({ id }) => id !== "unresolved-import"), [])
}

const byVite: Bundler = async ({ entry, minify, outfile, platform, project }) => {
  const { build } = await import(pathToFileURL(createRequire(import.meta.url).resolve("vite")).href) as {
    readonly build: (options: object) => Promise<unknown>
  }
  const output = { entryFileNames: basename(outfile), codeSplitting: false }
  await build({
    root: project,
    configFile: false,
    logLevel: "error",
    build: {
      outDir: join(outfile, ".."),
      emptyOutDir: false,
      minify,
      target: "es2023",
      ...(platform === "node" ? { ssr: entry } : { lib: { entry, formats: ["es"] } }),
      rolldownOptions: { output }
    },
    ssr: { noExternal: true }
  })
}

const byWebpack: Bundler = async ({ entry, minify, outfile, platform, project }) => {
  const path = folder("webpack")
  if (!existsSync(join(path, "node_modules", "webpack"))) {
    console.error(`making .conformance/webpack: webpack@${webpackVersion}`)
    writeFileSync(join(path, "package.json"), JSON.stringify({ private: true, type: "module" }))
    const flags = ["--no-audit", "--no-fund", "--loglevel=error"]
    await run("npm", ["install", ...flags, `webpack@${webpackVersion}`], { cwd: path })
  }
  const { default: webpack } = await import(
    pathToFileURL(createRequire(join(path, "package.json")).resolve("webpack")).href
  ) as { readonly default: (options: object, done: (error: Error | null, stats: Stats) => void) => void }
  interface Stats {
    readonly toJson: () => { readonly errors: Problems; readonly warnings: Problems }
  }
  type Problems = ReadonlyArray<{ readonly message: string }>
  // Types are not webpack's affair.
  const script = entry.replace(/\.ts$/, ".mjs")
  await esbuild({ entryPoints: [join(project, entry)], format: "esm", outfile: join(project, script) })
  const { errors, warnings } = await new Promise<ReturnType<Stats["toJson"]>>((resolve, reject) =>
    webpack({
      mode: "production",
      context: project,
      entry: `./${script}`,
      target: platform === "node" ? "node22" : "web",
      performance: false,
      experiments: { outputModule: true },
      optimization: { splitChunks: false, minimize: minify },
      output: { path: join(outfile, ".."), filename: basename(outfile), library: { type: "module" } }
    }, (error, stats) => error === null ? resolve(stats.toJson()) : reject(error))
  )
  assert.deepEqual([...errors, ...warnings].map(({ message }) => message), [])
}

const bundlers: Readonly<Record<string, Bundler>> = { esbuild: byEsbuild, Vite: byVite, webpack: byWebpack }

const programs = {
  "six-lines.ts": "{ orders: 24, total_cents: 1283888 }",
  "memory.ts": "{\"orders\":24}",
  "everything.ts": "everything",
  "optional.ts": Array.from({ length: 4 }, () => "says what to install").join("\n")
}

/** webpack has no import that may be missing: what is not installed is an error of it, whatever catches it. */
const isLeftOut = (bundler: string, program: string) => bundler === "webpack" && program === "optional.ts"

const flowRuns = {
  graphql: "6cdaa6fd-f2a5-5ffe-bdc4-8a5c3feb73d3",
  prefect3: Prefect3.runs["structure"] ?? ""
}

/** A page's server: the page, the bundle, both APIs and what workers stored, from one origin. */
const startPage = async (bundle: () => string) => {
  const graphql = await serve(["--archive", join(root, "fixtures/prefect-1")])
  const prefect3 = await Prefect3.start()
  const stored = [
    join(root, "fixtures/prefect-1"),
    join(root, "fixtures/prefect-1/s3/prefect-results"),
    join(Prefect3.fixtures, "files")
  ]
  const port = await freePort()
  const server = createServer((request, response) => {
    void (async () => {
      const path = request.url ?? "/"
      if (path === "/") return response.writeHead(200, { "content-type": "text/html" }).end("<!doctype html>")
      if (path === "/bundle.js") return response.writeHead(200, { "content-type": "text/javascript" }).end(bundle())
      if (path.startsWith("/stored/")) {
        const file = stored.map((folder) => join(folder, path.slice("/stored/".length))).find((file) =>
          existsSync(file)
        )
        return file === undefined ? response.writeHead(404).end() : response.writeHead(200).end(readFileSync(file))
      }
      const body: Array<Buffer> = []
      for await (const chunk of request) body.push(chunk as Buffer)
      const target = path.startsWith("/api") ? new URL(prefect3.url).origin : graphql.url
      const answer = await fetch(`${target}${path}`, {
        method: request.method ?? "GET",
        headers: { "content-type": "application/json" },
        ...(body.length === 0 ? {} : { body: Buffer.concat(body) })
      })
      response.writeHead(answer.status, { "content-type": "application/json" })
      response.end(Buffer.from(await answer.arrayBuffer()))
    })()
  })
  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve))
  return {
    origin: `http://127.0.0.1:${port}`,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections()
      server.close()
      await prefect3[Symbol.asyncDispose]()
      await graphql.stop()
    }
  }
}

const kB = (bytes: number): string => `${Math.round(bytes / 1000)} kB`

/** Sizes as `docs/bundling.md` has them, by program and bundler; they may differ by a twentieth. */
const isDocumented = (program: string, bundler: string, size: number): boolean => {
  const document = readFileSync(join(root, "docs/bundling.md"), "utf8")
  const columns = /^\| bundled .*$/m.exec(document)?.[0].split("|").map((cell) => cell.trim()) ?? []
  const cells = document.split("\n").find((line) => line.startsWith(`| \`${program}\``))?.split("|") ?? []
  const documented = Number(/(\d+) kB/.exec(cells[columns.indexOf(bundler)] ?? "")?.[1])
  return Math.abs(documented * 1000 - size) < size / 20
}

export const bundles = async (packed: Packed): Promise<void> => {
  const named = (name: string) => [...packed.tarballs].filter(([one]) => one.folder === name)
  const project = await install(
    packed.folder,
    new Map(["core", "pickle", "formats", "api", "results", "collect"].flatMap(named))
  )
  const sixLines = snippets("README.md")[0]
  assert.ok(sixLines !== undefined)
  // The sample is a folder of the installed package, which a bundle leaves behind.
  const code = sixLines.code
    .replace(/^import \* as Sample .*\n/m, "")
    .replaceAll("Sample.directory", "\"fixtures/prefect-1\"")
    .replaceAll("Sample.taskRunId", "\"17938764-72a9-5e1a-a67b-d93a5ba52e6a\"")
  writeFileSync(join(project, "six-lines.ts"), code)
  for (const name of ["memory.ts", "everything.ts", "optional.ts", "browser.ts"]) {
    copyFileSync(join(import.meta.dirname, name), join(project, name))
  }
  against(`webpack ${webpackVersion}`)

  for (const [bundler, bundle] of Object.entries(bundlers)) {
    const output = join(project, "dist", bundler)
    mkdirSync(output, { recursive: true })
    for (const [program, expected] of Object.entries(programs)) {
      if (isLeftOut(bundler, program)) continue
      await check(`${bundler}: ${program} is bundled for Node, and runs`, async () => {
        const outfile = join(output, `${program}.mjs`)
        await bundle({ project, entry: program, platform: "node", minify: program !== "everything.ts", outfile })
        const size = gzipSync(readFileSync(outfile)).length
        console.log(`        ${program} by ${bundler}: ${kB(size)} gzipped`)
        // Away from the project's node_modules: all that is needed is in the bundle.
        const away = join(packed.folder, `away-${bundler}`)
        mkdirSync(away, { recursive: true })
        if (!existsSync(join(away, "fixtures"))) symlinkSync(join(root, "fixtures"), join(away, "fixtures"), "junction")
        copyFileSync(outfile, join(away, `${program}.mjs`))
        const { stdout } = await run(process.execPath, [`${program}.mjs`], { cwd: away, env: { NODE_OPTIONS: "" } })
        assert.equal(stdout.trim(), expected)
        if (program === "six-lines.ts" || program === "memory.ts") {
          assert.ok(isDocumented(program, bundler, size), `docs/bundling.md has another size than ${kB(size)}`)
        }
      })
    }
  }

  let script = ""
  await using page = await startPage(() => script)
  const expected = await probe(page.origin, flowRuns)
  await using browser = await startChromium()
  for (const [bundler, bundle] of Object.entries(bundlers)) {
    await check(
      `${bundler}: browser.ts is bundled for a browser, and reads in Chromium what it reads in Node`,
      async () => {
        const outfile = join(project, "dist", bundler, "browser.js")
        await bundle({ project, entry: "browser.ts", platform: "browser", minify: true, outfile })
        script = readFileSync(outfile, "utf8")
        const size = gzipSync(script).length
        console.log(`        browser.ts by ${bundler}: ${kB(size)} gzipped`)
        const tab = await browser.newPage()
        await tab.goto(page.origin)
        const found = await tab.evaluate(
          `import("/bundle.js").then(({ probe }) => probe(location.origin, ${JSON.stringify(flowRuns)}))`
        ) as typeof expected
        // Parquet is read by Node only.
        const without = (lines: ReadonlyArray<string> | undefined) =>
          lines?.filter((line) => !line.startsWith("frame-1 "))
        for (const [name, lines] of Object.entries(expected)) {
          assert.ok(lines.length > 3, `${name} has ${lines.length} results`)
          assert.deepEqual(without(found[name]), without(lines))
        }
        assert.ok(found["graphql"]?.includes("frame-1 -1: ResultDecodeError"), "Parquet is refused")
        assert.ok(isDocumented("browser.ts", bundler, size), `docs/bundling.md has another size than ${kB(size)}`)
      }
    )
  }
}
