/**
 * Small programs as users write them, in a project that has the packages and what the programs themselves import:
 * type-checked by TypeScript 5.9, 6 and 7 with skipLibCheck off, and run by Node.js 22, 24 and 26, Bun and Deno, with a
 * Prefect server, an S3 and a Postgres beside them. Each prints `ok`; tests are run by Vitest, in Node.js.
 */
import * as assert from "node:assert/strict"
import { copyFileSync, existsSync, readdirSync, symlinkSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { install, type Packed, typeCheck } from "../../scripts/tarballs.mjs"
import { startMoto } from "../storages/moto.ts"
import { against } from "../support/against.ts"
import { check } from "../support/check.ts"
import { folder, root } from "../support/folder.ts"
import { startPostgres } from "../support/postgres.ts"
import { run } from "../support/process.ts"
import { serve } from "../support/served.ts"

const installed = [
  "node22@npm:node@22",
  "node26@npm:node@26",
  "bun",
  "deno",
  "ts59@npm:typescript@5.9",
  "ts6@npm:typescript@6"
]

/** What the programs import besides the packages and what these bring with them. */
const imported = [
  "@aws-sdk/client-s3@3",
  "express@5",
  "@types/express@5",
  "@effect/vitest@4",
  "vitest@5",
  "@effect/opentelemetry@4",
  "@opentelemetry/api@1",
  "@opentelemetry/api-logs@0.223",
  "@opentelemetry/resources@2",
  "@opentelemetry/sdk-logs@0.223",
  "@opentelemetry/sdk-metrics@2",
  "@opentelemetry/sdk-trace-base@2",
  "@opentelemetry/sdk-trace-node@2"
]

/** The other runtimes and compilers, from npm. */
const tools = async (): Promise<string> => {
  const path = folder("runtimes")
  if (!existsSync(join(path, "node_modules", "deno"))) {
    console.error(`making .conformance/runtimes: ${installed.join(" ")}`)
    writeFileSync(join(path, "package.json"), JSON.stringify({ private: true, type: "module" }))
    await run("npm", ["install", "--no-audit", "--no-fund", "--loglevel=error", ...installed], { cwd: path })
    // npm does not run the scripts of packages by itself any more; these put the binaries in their place.
    for (
      const script of [
        "node22/installArchSpecificPackage.js",
        "node26/installArchSpecificPackage.js",
        "bun/install.js",
        "deno/install.cjs"
      ]
    ) {
      const [name = "", file = ""] = script.split("/")
      if (existsSync(join(path, "node_modules", script))) {
        await run(process.execPath, [file], { cwd: join(path, "node_modules", name) })
      }
    }
  }
  return join(path, "node_modules")
}

export const programs = async (packed: Packed): Promise<void> => {
  const project = await install(packed.folder, packed.tarballs, imported)
  symlinkSync(join(root, "fixtures"), join(project, "fixtures"), "junction")
  const source = join(import.meta.dirname, "programs")
  const names = readdirSync(source)
  for (const name of names) copyFileSync(join(source, name), join(project, name))
  const sources = names.filter((name) => name.endsWith(".ts"))
  const path = await tools()
  const runtimes: Readonly<Record<string, ReadonlyArray<string>>> = {
    "Node.js 24": [process.execPath],
    "Node.js 22": [join(path, "node22/bin/node"), "--experimental-strip-types", "--no-warnings"],
    "Node.js 26": [join(path, "node26/bin/node")],
    Bun: [join(path, "bun/bin/bun.exe"), "run"],
    Deno: [join(path, "deno/deno"), "run", "--allow-all", "--node-modules-dir=manual", "--no-check"]
  }

  await check("TypeScript 7 checks the programs and all declarations", () => typeCheck(project, sources))
  for (const [name, version] of [["ts59", "5.9"], ["ts6", "6"]] as const) {
    await check(`TypeScript ${version} checks the programs and all declarations`, async () => {
      const tsc = join(path, name, "bin", "tsc")
      const { code, stdout } = await run(process.execPath, [tsc, "-p", "."], { cwd: project, allowFailure: true })
      assert.equal(code, 0, stdout.slice(0, 3000))
    })
  }
  const moto = await startMoto()
  await using _moto = moto.server
  await using postgres = await startPostgres()
  await using prefect = await serve(["--archive", join(root, "packages/results/sample")])
  const env = {
    AWS_ENDPOINT_URL_S3: moto.url,
    DATABASE_URL: postgres.url,
    NODE_OPTIONS: "",
    NO_COLOR: "1",
    PREFECT_SERVER: prefect.url
  }
  for (const [runtime, [command = "", ...flags]] of Object.entries(runtimes)) {
    const { stdout } = await run(command, ["--version"])
    const isNode = runtime.startsWith("Node")
    against(isNode ? `Node ${stdout.trim()}` : `${runtime} ${stdout.split("\n")[0]?.trim()}`)
    for (const name of names) {
      const isTest = name.endsWith(".test.ts")
      if (isTest && !isNode) continue
      await check(`${runtime} runs ${name}`, async () => {
        const args = isTest ? ["node_modules/vitest/vitest.mjs", "run", name] : [...flags, name]
        const { stdout } = await run(command, args, { cwd: project, env })
        if (isTest) assert.match(stdout, /Tests +[1-9]\d* passed \(/)
        else assert.equal(stdout.trim(), "ok")
      })
    }
  }
}
