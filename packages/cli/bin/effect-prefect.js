#!/usr/bin/env node
// Starts the command: from its sources in the repository, from dist where it is installed, on a Node that is new enough.
// It must itself be read by Nodes that are too old, so whatever they lack is reached through a namespace.
import { spawn } from "node:child_process"
import { existsSync } from "node:fs"
import * as module from "node:module"
import { dirname, join, sep } from "node:path"
import { fileURLToPath } from "node:url"

const here = fileURLToPath(import.meta.url)
const [major = 0, minor = 0] = process.versions.node.split(".").map(Number)
const isFit = major > 22 || (major === 22 && minor >= 19)

/** The binary of the npm package `node` in the nearest node_modules that has one. */
const packagedNode = () => {
  const name = process.platform === "win32" ? "node.exe" : "node"
  for (let folder = dirname(here);; folder = dirname(folder)) {
    const binary = join(folder, "node_modules", "node", "bin", name)
    if (existsSync(binary)) return binary
    if (folder === dirname(folder)) return undefined
  }
}

const start = () => {
  const sources = join(here, "..", "..", "src", "main.ts")
  const inRepository = !here.split(sep).includes("node_modules") && existsSync(sources)
  if (inRepository) {
    module.registerHooks({
      resolve: (specifier, context, next) =>
        specifier.startsWith("@effect-prefect/")
          ? next(specifier, { ...context, conditions: [...context.conditions, "@effect-prefect/source"] })
          : next(specifier, context)
    })
  }
  module.enableCompileCache()
  const cache = module.getCompileCacheDir()
  // A thread uses the cache of its process only if the environment names it.
  if (cache !== undefined) process.env["NODE_COMPILE_CACHE"] = dirname(cache)
  return import(inRepository ? "../src/main.ts" : "../dist/main.js")
}

/** @param {string} binary */
const runOn = (binary) => {
  const child = spawn(binary, [here, ...process.argv.slice(2)], {
    stdio: "inherit",
    env: { ...process.env, EFFECT_PREFECT_NODE: "packaged" }
  })
  // On a terminal Ctrl-C reaches both; whoever signals this process alone means the command.
  const forwarded = /** @type {const} */ (["SIGTERM", "SIGHUP", "SIGINT"])
  for (const signal of forwarded) {
    process.on(signal, () => {
      if (signal !== "SIGINT" || !process.stdin.isTTY) child.kill(signal)
    })
  }
  child.on("error", refuse)
  child.on("exit", (code, signal) => {
    for (const name of forwarded) process.removeAllListeners(name)
    if (signal === null) process.exitCode = code ?? 1
    else process.kill(process.pid, signal)
  })
}

const refuse = () => {
  console.error(
    `effect-prefect needs Node 22.19 or newer and this is ${process.version}: ` +
      "install Node 24 from https://nodejs.org, or npm install node@24 beside effect-prefect"
  )
  process.exitCode = 1
}

const packaged = isFit || process.env.EFFECT_PREFECT_NODE === "packaged" ? undefined : packagedNode()
if (isFit) await start()
else if (packaged !== undefined) runOn(packaged)
else refuse()
