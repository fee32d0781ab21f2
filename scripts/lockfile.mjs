// Checks that package-lock.json names every optional platform package of its packages; --fix adds missing ones. npm
// omits those that the current registry does not carry, and from npm 11.19 on `npm ci` then rejects the whole lock
// file. An added entry has a version and its platform but no integrity: npm skips it on other platforms.
import { readFileSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"

const file = join(dirname(dirname(fileURLToPath(import.meta.url))), "package-lock.json")
const lock = JSON.parse(readFileSync(file, "utf8"))
const fix = process.argv.includes("--fix")

const systems = ["aix", "android", "darwin", "freebsd", "linux", "netbsd", "openbsd", "openharmony", "sunos", "win32"]
const processors = ["arm64", "arm", "ia32", "loong64", "mips64el", "ppc64", "riscv64", "s390x", "wasm32", "x64"]

/** The platform in a package name such as @oxlint/binding-linux-arm64-musl. */
const platform = (/** @type {string} */ name) => {
  const words = name.replace(/^@[^/]+\//, "").split("-")
  const libc = /musl/.test(words.at(-1) ?? "") ? ["musl"] : /^(gnu|glibc)/.test(words.at(-1) ?? "") ? ["glibc"] : []
  return {
    os: systems.filter((system) => words.includes(system)),
    cpu: processors.filter((processor) => words.includes(processor)),
    ...(libc.length > 0 && words.includes("linux") ? { libc } : {})
  }
}

/** Whether the package at `path` finds `name` by Node's resolution: in its own node_modules, then in those above it. */
const finds = (/** @type {string} */ path, /** @type {string} */ name) => {
  for (let at = path;;) {
    if (`${at}${at === "" ? "" : "/"}node_modules/${name}` in lock.packages) return true
    if (at === "") return false
    at = at.slice(0, Math.max(0, at.lastIndexOf("/node_modules/")))
  }
}

const missing = []
for (const [path, entry] of Object.entries(lock.packages)) {
  for (const [name, version] of Object.entries(entry.optionalDependencies ?? {})) {
    if (finds(path, name)) continue
    const { os, cpu, libc } = platform(name)
    missing.push({
      name,
      known: os.length === 1 && cpu.length === 1 && /^\d+\.\d+\.\d+[^ ]*$/.test(version),
      entry: { version, cpu, ...(entry.dev ? { dev: true } : {}), ...(libc ? { libc } : {}), optional: true, os }
    })
  }
}

const added = fix ? missing.filter(({ known }) => known) : []
for (const { entry, name } of added) lock.packages[`node_modules/${name}`] = entry
if (added.length > 0) {
  lock.packages = Object.fromEntries(
    Object.entries(lock.packages).toSorted(([left], [right]) => left.localeCompare(right, "en"))
  )
  writeFileSync(file, JSON.stringify(lock, null, 2) + "\n")
  console.log(`package-lock.json: ${added.length} optional platform packages added`)
}
const left = missing.filter((one) => !added.includes(one))
for (const { name } of left) console.error(`package-lock.json: the optional package ${name} is missing`)
if (left.length > 0) {
  console.error("run `node scripts/lockfile.mjs --fix`, or npm install with a registry that has them")
  process.exit(1)
}
