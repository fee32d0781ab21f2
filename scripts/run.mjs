// Runs programs for the scripts: their output is captured, and is the message of the error when they fail.
import { spawn } from "node:child_process"
import { root } from "./packages.mjs"

/**
 * @param {string} command
 * @param {ReadonlyArray<string>} args
 * @param {{ readonly cwd?: string, readonly env?: NodeJS.ProcessEnv }} [options]
 * @returns {Promise<string>}
 */
export const run = (command, args, { cwd = root, env = process.env } = {}) =>
  new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd,
      env,
      stdio: ["ignore", "pipe", "pipe"],
      shell: process.platform === "win32"
    })
    let output = ""
    for (const stream of [child.stdout, child.stderr]) stream.setEncoding("utf8").on("data", (text) => output += text)
    child.on("error", reject)
    child.on("close", (code, signal) => {
      if (code === 0) resolve(output)
      else reject(new Error(`${output.trimEnd()}\n${command} ended with ${signal ?? `exit code ${code}`}`.trimStart()))
    })
  })

// npm's settings in the environment would affect an npm that a script runs: a workspace, a dry run, a global folder.
const inherited =
  /^npm_(config_(workspaces?|include_workspace_root|global|dry_run|omit|local_prefix)|package_.*|lifecycle_.*)$/i

/**
 * npm, preferably the one that started this script.
 * @param {ReadonlyArray<string>} args
 * @param {string} cwd
 */
export const npm = (args, cwd) => {
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !inherited.test(name)))
  const cli = process.env.npm_execpath
  return cli !== undefined && /npm-cli\.c?js$/.test(cli)
    ? run(process.execPath, [cli, ...args], { cwd, env })
    : run("npm", args, { cwd, env })
}
