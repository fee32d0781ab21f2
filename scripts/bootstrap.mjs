// Runs before every npm script: installs the versions in package-lock.json when node_modules is missing or stale, and
// makes sure that the scripts will run on a Node that Effect 4.1 supports. It must itself run on Node 20, have no
// dependency, and be silent and fast when everything is in place. Before `npm start` (--start) only the requirements of
// the command itself are installed: an eighth of all, and no other Node if the installed one is sufficient.
import { spawnSync } from "node:child_process"
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync
} from "node:fs"
import { delimiter, dirname, join, sep } from "node:path"
import { fileURLToPath } from "node:url"

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const modules = join(root, "node_modules")
const windows = process.platform === "win32"
const needed = /** @type {const} */ ([22, 19])
/** Read before an install can remove it. */
const runsOn = realpathSync(process.execPath)

/** @param {string} line */
const say = (line) => process.stderr.write(`bootstrap: ${line}\n`)

/** @param {string} line @returns {never} */
const fail = (line) => {
  say(line)
  process.exit(1)
}

/** @param {string} file */
const readLock = (file) => {
  try {
    return JSON.parse(readFileSync(file, "utf8")).packages ?? {}
  } catch {
    return undefined
  }
}

/** An install of the command's own packages would remove those of the checks, so it is made only where there are none. */
const hasDevelopment = () =>
  Object.values(readLock(join(modules, ".package-lock.json")) ?? {}).some((/** @type {any} */ entry) => entry.dev)
const startOnly = process.argv.includes("--start") && !hasDevelopment()

/** @param {string} version "v24.1.0" */
const isFit = (version) => {
  const [major = 0, minor = 0] = version.replace(/^v/, "").split(".").map(Number)
  return major > needed[0] || (major === needed[0] && minor >= needed[1])
}

/** Whether an entry of the lock file is installed, according to npm's own flags. */
const isWanted = (/** @type {any} */ entry) =>
  startOnly
    ? !entry.dev && !entry.peer && !entry.optional && !entry.devOptional
    : !entry.optional && !entry.devOptional

/**
 * The reason why node_modules differs from package-lock.json, or undefined when it does not. npm writes a lock file of
 * its own into node_modules after a complete install only, so an interrupted install counts as missing. Optional
 * packages may be absent (other platforms, failed installs), but not in a wrong version.
 */
const staleness = () => {
  const wanted = readLock(join(root, "package-lock.json"))
  if (wanted === undefined) fail("package-lock.json is missing or not JSON; restore it from version control")
  if (!existsSync(modules)) return "node_modules is missing"
  const installed = readLock(join(modules, ".package-lock.json"))
  if (installed === undefined) return "node_modules is incomplete"
  for (const [path, entry] of Object.entries(wanted)) {
    // "" is the workspace root; packages/* are the workspaces themselves, reached by their links below.
    if (!path.includes("node_modules/")) continue
    const there = installed[path]
    if (there === undefined) {
      if (!isWanted(entry)) continue
      return `${path} is missing`
    }
    if (entry.link ? there.resolved !== entry.resolved : there.version !== entry.version) {
      return `${path} is not the one of package-lock.json`
    }
    try {
      const stat = lstatSync(join(root, path))
      if (entry.link && !existsSync(join(root, path, "package.json"))) return `the link ${path} leads nowhere`
      if (!entry.link && !stat.isDirectory()) return `${path} is not a folder`
    } catch {
      return `${path} is missing`
    }
  }
  return undefined
}

/** PATH without the .bin folders of this workspace: npm must not run on a Node that it is about to delete. */
const outsidePath = () => (process.env.PATH ?? "").split(delimiter).filter((dir) => !dir.startsWith(modules + sep))

const outsideNode = () => {
  if (!runsOn.startsWith(modules + sep)) return process.execPath
  for (const dir of outsidePath()) {
    const file = join(dir, windows ? "node.exe" : "node")
    if (existsSync(file)) return file
  }
  return process.execPath
}

/** npm's own settings are passed down in the environment; these would make an install partial, global or a dry run. */
const partial =
  /^npm_config_(workspaces?|include_workspace_root|global|location|json|dry_run|omit|only|production|package_lock_only|os|cpu|libc)$/i

const installEnvironment = () => {
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !partial.test(name)))
  for (const name of Object.keys(env)) if (name.toUpperCase() === "PATH") delete env[name]
  return { ...env, PATH: outsidePath().join(delimiter), EFFECT_PREFECT_BOOTSTRAP: "1" }
}

/**
 * Runs npm, preferably the one that started this script. Its output goes to standard error: scripts own standard
 * output.
 */
const npm = (/** @type {Array<string>} */ args, cwd = root) => {
  const cli = process.env.npm_execpath
  const options = {
    cwd,
    env: installEnvironment(),
    stdio: /** @type {import("node:child_process").StdioOptions} */ (["ignore", 2, 2])
  }
  return cli !== undefined && /npm-cli\.c?js$/.test(cli)
    ? spawnSync(outsideNode(), [cli, ...args], options)
    : spawnSync("npm", args, { ...options, shell: windows })
}

const quiet = ["--no-audit", "--no-fund", "--loglevel=error"]

const install = () => {
  const parts = startOnly
    ? ["--omit=dev", "--omit=peer", "--omit=optional"]
    : ["--include=dev", "--include=optional"]
  const result = npm(["ci", ...parts, ...quiet])
  if (result.error) fail(`npm could not be started (${result.error.message}); install npm 10 or newer`)
  if (result.status !== 0) {
    fail(`npm ci failed with ${result.signal ?? `exit code ${result.status}`}; its message is above`)
  }
}

/**
 * The version of the optional `node` package; undefined when it is not installed, null when it is installed but does
 * not run (for example because of the C library).
 */
const packagedVersion = () => {
  const link = join(modules, ".bin", windows ? "node.cmd" : "node")
  const file = join(modules, "node", "bin", windows ? "node.exe" : "node")
  if (!existsSync(link) || !existsSync(file)) return undefined
  if (runsOn === realpathSync(file)) return process.version
  const result = spawnSync(file, ["--version"], { encoding: "utf8" })
  return result.status === 0 ? result.stdout.trim() : null
}

/** Installs the binary of the `node` package when npm does not run install scripts (ignore-scripts, npm 12). */
const completeNode = () => {
  const script = join(modules, "node", "installArchSpecificPackage.js")
  if (!existsSync(script)) return
  say("the install script of the package \"node\" was not run: running it now")
  spawnSync(outsideNode(), [script], {
    cwd: dirname(script),
    env: { ...installEnvironment(), npm_config_ignore_scripts: "true", npm_config_loglevel: "error" },
    stdio: ["ignore", 2, 2]
  })
  npm(["rebuild", "node", "--ignore-scripts", ...quiet])
}

/**
 * Installs the package `node` alone. The other optional packages are those of storages, which the command does not need
 * to start; npm has no option to include one and omit the rest.
 */
const installNode = () => {
  const version = readLock(join(root, "package-lock.json"))?.["node_modules/node"]?.version
  if (version === undefined) return
  say(`Node ${process.version} is too old: installing Node ${version} beside it (about 190 MB)`)
  const folder = join(modules, ".node")
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, "package.json"), JSON.stringify({ private: true, allowScripts: { node: true } }))
  npm(["install", "--omit=dev", `node@${version}`, ...quiet], folder)
  const from = join(folder, "node_modules", "node")
  if (existsSync(from)) {
    // npm installs the package's dependencies beside it; only the binary is used.
    rmSync(join(modules, "node"), { recursive: true, force: true })
    renameSync(from, join(modules, "node"))
    mkdirSync(join(modules, ".bin"), { recursive: true })
    if (windows) writeFileSync(join(modules, ".bin", "node.cmd"), `@"%~dp0\\..\\node\\bin\\node.exe" %*\r\n`)
    else {
      rmSync(join(modules, ".bin", "node"), { force: true })
      symlinkSync(join("..", "node", "bin", "node"), join(modules, ".bin", "node"))
    }
  }
  rmSync(folder, { recursive: true, force: true })
}

const checkNode = () => {
  let packaged = packagedVersion()
  // process.version counts only when no packaged Node precedes it on the PATH of npm scripts.
  const outside = outsideNode()
  const own = !existsSync(outside)
    ? undefined
    : realpathSync(outside) === runsOn
    ? process.version
    // The Node that this script runs on was removed by the install.
    : existsSync(runsOn)
    ? undefined
    : spawnSync(outside, ["--version"], { encoding: "utf8" }).stdout?.trim()
  if (packaged === undefined && (own === undefined || !isFit(own))) {
    if (startOnly && !existsSync(join(modules, "node"))) installNode()
    else completeNode()
    packaged = packagedVersion()
  }
  if (packaged === null && own !== undefined && isFit(own)) {
    say("the Node of the package \"node\" does not run here: using the installed one")
    rmSync(join(modules, ".bin", "node"), { force: true })
    return
  }
  if (isFit(packaged ?? own ?? "v0.0.0")) return
  const found = packaged ?? process.version
  const why = packaged === undefined ? " (the optional package \"node\" could not be installed)" : ""
  fail(
    `Node ${needed.join(".")} or newer is needed and ${found} was found${why}; install Node 24 from https://nodejs.org`
  )
}

// An install that this script started must not start another one.
if (process.env.EFFECT_PREFECT_BOOTSTRAP === undefined) {
  const reason = staleness()
  if (reason !== undefined) {
    say(
      startOnly
        ? `${reason}: installing what the command needs (about 110 MB); npm test installs the rest`
        : `${reason}: running npm ci`
    )
    install()
  }
  checkNode()
}
