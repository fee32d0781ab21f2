// npm run conformance [-- NAME …]: runs conformance/NAME.conformance.{mjs,ts}, all of them in name order by default,
// each as a process of its own. A script that uses conformance/support/check.ts counts its checks; any other counts as
// one. Nothing is skipped: a script fails when a requirement is missing. A script that fails or leaves a process behind
// does not stop the others. The table at the end, with the versions of the programs that the scripts ran against, is
// stored in conformance/RESULTS.md, each row when its script has ended.
import { spawn } from "node:child_process"
import { once } from "node:events"
import { readdirSync } from "node:fs"
import { constants } from "node:os"
import { basename, dirname, join } from "node:path"
import { fileURLToPath } from "node:url"
import * as leftovers from "./leftovers.mjs"
import { now, record } from "./results.mjs"

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const folder = join(root, "conformance")
const suffix = /\.conformance\.(mjs|ts)$/
const all = readdirSync(folder).filter((name) => suffix.test(name)).toSorted()

const names = process.argv.slice(2).map((name) => basename(name).replace(suffix, ""))
const unknown = names.filter((name) => !all.some((file) => file.replace(suffix, "") === name))
if (unknown.length > 0) {
  console.error(
    `no conformance script ${unknown.join(", ")}; there are ${all.map((f) => f.replace(suffix, "")).join(", ")}`
  )
  process.exit(2)
}
const files = names.length === 0 ? all : all.filter((file) => names.includes(file.replace(suffix, "")))
if (files.length === 0) {
  console.error("there is no conformance script")
  process.exit(1)
}

/** @type {import("node:child_process").ChildProcess | undefined} */
let running
/** The exit code of a run that a signal ended, as shells count it. @type {number | undefined} */
let signalled
for (const signal of /** @type {const} */ (["SIGINT", "SIGTERM", "SIGHUP"])) {
  process.on(signal, () => {
    signalled = 128 + constants.signals[signal]
    running?.kill(signal)
  })
}

/** @param {string} file */
const runFile = async (file) => {
  console.log(`\n== ${file}`)
  const start = performance.now()
  const mark = `${process.pid}-${file}`
  const child = spawn(process.execPath, ["--conditions=@effect-prefect/source", join(folder, file)], {
    cwd: root,
    env: { ...process.env, [leftovers.name]: mark },
    stdio: ["ignore", "pipe", "inherit"]
  })
  running = child
  let tail = ""
  let line = ""
  const against = new Set([`Node ${process.versions.node}`])
  child.stdout.setEncoding("utf8").on("data", (text) => {
    process.stdout.write(text)
    tail = (tail + text).slice(-1000)
    const lines = (line + text).split("\n")
    line = lines.pop() ?? ""
    for (const one of lines) if (one.startsWith("  against ")) against.add(one.slice("  against ".length))
  })
  // Its output may be open in a process that it left behind.
  const [code, signal] = await once(child, "exit")
  const left = leftovers.canFind
    ? await leftovers.endLeftovers(mark).then(() => "", (/** @type {Error} */ error) => error.message)
    : ""
  if (left !== "") console.log(left)
  if (!child.stdout.closed) await once(child.stdout, "close")
  running = undefined
  const counted = /(\d+) passed, (\d+) failed\s*$/.exec(tail)
  const passed = counted ? Number(counted[1]) : code === 0 ? 1 : 0
  const failed = Math.max(counted ? Number(counted[2]) : 0, code === 0 ? 0 : 1)
  const seconds = ((performance.now() - start) / 1000).toFixed(1)
  return {
    name: file.replace(suffix, ""),
    passed,
    failed,
    seconds,
    against: [...against].join(", "),
    end: [code === 0 ? "" : signal ?? `exit code ${code}`, left === "" ? "" : "left processes behind"]
      .filter((word) => word !== "").join(", ")
  }
}

/** @type {Array<Awaited<ReturnType<typeof runFile>>>} */
const results = []
for (const file of files) {
  const result = await runFile(file)
  // What was cut off says nothing of what it checks.
  if (signalled !== undefined) break
  results.push(result)
  const { against, failed, name, passed, seconds } = result
  const { commit, date } = await now()
  record(
    "conformance",
    [[name, date, commit, passed, failed, seconds, against]],
    (name) => all.some((file) => file.replace(suffix, "") === name)
  )
}

const width = Math.max(0, ...results.map(({ name }) => name.length))
console.log("")
for (const { against, end, failed, name, passed, seconds } of results) {
  const counts = `${String(passed).padStart(5)} passed ${String(failed).padStart(4)} failed`
  console.log(
    `${failed > 0 ? "FAIL" : "pass"}  ${name.padEnd(width)} ${counts} ${seconds.padStart(8)} s  ${against}  ${end}`
      .trimEnd()
  )
}
const sum = (/** @type {"passed" | "failed"} */ key) => results.reduce((total, result) => total + result[key], 0)
console.log(`${sum("passed")} passed, ${sum("failed")} failed`)
process.exitCode = signalled ?? (sum("failed") > 0 ? 1 : 0)
