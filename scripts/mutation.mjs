// npm run mutation [-- [--sample N] [--seed N] WORD …]: changes one thing at a time in the modules of
// scripts/mutation/areas.mjs and runs the tests of their package, with Stryker. An area's name must contain one of the
// words. Prints each mutant that no test noticed, and fails when fewer than 85 % are killed. The scores are stored in
// conformance/RESULTS.md. With --sample only N mutants of each area are tried, spread evenly over its code from a start
// that the seed determines (default 1); the row says so.
// With --at FILE:LINE, which may be repeated, only the mutants of these lines of the area's package are tried, and nothing is
// stored: to see whether a new test notices them.
//
// It works on a copy of the tracked files in .mutation/, so that sources are unchanged while it runs, and installs
// Stryker there, because nothing else needs its 150 packages.
import { spawn } from "node:child_process"
import { once } from "node:events"
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { availableParallelism } from "node:os"
import { dirname, join } from "node:path"
import { parseArgs } from "node:util"
import { areas } from "./mutation/areas.mjs"
import { equivalent } from "./mutation/equivalent.mjs"
import { root } from "./packages.mjs"
import { now, record } from "./results.mjs"
import { npm, run } from "./run.mjs"

const version = "10.1.1"
const least = 85
const home = join(root, ".mutation")

const { positionals: words, values: { at: places, sample, seed } } = parseArgs({
  allowPositionals: true,
  options: {
    at: { type: "string", multiple: true, default: [] },
    sample: { type: "string" },
    seed: { type: "string", default: "1" }
  }
})
const isCount = (/** @type {string} */ text) => /^[1-9]\d*$/.test(text)
if (!isCount(seed) || (sample !== undefined && !isCount(sample))) {
  console.error("--sample and --seed are followed by a number of at least 1")
  process.exit(2)
}
const isPlace = (/** @type {string} */ text) => /^[\w/.-]+\.ts:[1-9]\d*$/.test(text)
if (!places.every(isPlace)) {
  console.error("--at is followed by a file in the package's src and the number of a line: internal/pages.ts:12")
  process.exit(2)
}
const chosen = areas.filter(({ name }) => words.length === 0 || words.some((word) => name.includes(word)))
if (chosen.length === 0) {
  console.error(`no such area; there are ${areas.map(({ name }) => name).join(", ")}`)
  process.exit(2)
}

const install = async () => {
  const manifest = join(home, "node_modules/@stryker-mutator/vitest-runner/package.json")
  if (existsSync(manifest) && JSON.parse(readFileSync(manifest, "utf8")).version === version) return
  mkdirSync(home, { recursive: true })
  writeFileSync(join(home, "package.json"), JSON.stringify({ private: true, type: "module" }))
  const wanted = ["core", "vitest-runner"].map((name) => `@stryker-mutator/${name}@${version}`)
  // Vitest itself is that of this repository, in a parent folder.
  await npm(["install", "--no-audit", "--no-fund", "--ignore-scripts", "--legacy-peer-deps", ...wanted], home)
}

const copy = async (/** @type {string} */ tree) => {
  // An interrupted run may still be writing.
  rmSync(tree, { recursive: true, force: true, maxRetries: 10, retryDelay: 200 })
  const files = (await run("git", ["ls-files", "-co", "--exclude-standard", "-z"])).split("\0")
  for (const file of files) {
    if (file === "" || !existsSync(join(root, file))) continue
    mkdirSync(dirname(join(tree, file)), { recursive: true })
    cpSync(join(root, file), join(tree, file))
  }
  // Other packages are found in the parent folders.
  const scope = join(tree, "node_modules/@effect-prefect")
  mkdirSync(scope, { recursive: true })
  for (const name of readdirSync(join(tree, "packages"))) symlinkSync(join(tree, "packages", name), join(scope, name))
  writeFileSync(
    join(tree, "vitest.mutation.ts"),
    `import { BaseSequencer } from "vitest/node"
import { keptThread } from "./scripts/mutation/keptThread.mjs"
import config from "./vitest.workspace.ts"
const tests = (process.env["MUTATION_TESTS"] ?? "").split(" ").filter((one) => one !== "")
const folder = \`packages/\${process.env["MUTATION_PACKAGE"]}/test\`
const include = (tests.length > 0 ? tests : [""]).map((one) => \`\${folder}/**/\${one}*.test.ts\`)
// The first failure ends a run: the files that are most about the code come first.
class AsListed extends BaseSequencer {
  async sort(files) {
    const rank = ({ moduleId }) => tests.findIndex((one) => moduleId.includes(\`/\${one}\`))
    return files.toSorted((left, right) => rank(left) - rank(right))
  }
}
export default {
  ...config,
  plugins: [keptThread],
  test: {
    ...config.test,
    include,
    sequence: { sequencer: AsListed },
    setupFiles: ["scripts/mutation/freshModules.mjs"],
    reporters: [{}],
    globalSetup: [],
    // Stryker runs the tests in threads, which take no flags of V8, and load the modules anew for each mutant.
    execArgv: [],
    experimental: {}
  }
}
`
  )
}

/** @param {(typeof areas)[number]} area */
const mutate = async ({ files, name, package: folder, tests = [] }) => {
  const report = join(home, `${name.replaceAll(" ", "-")}.json`)
  rmSync(report, { force: true })
  // Areas may run concurrently.
  const tree = join(home, name.replaceAll(" ", "-"))
  await copy(tree)
  const settings = join(tree, "stryker.json")
  const source = (/** @type {string} */ file) => `packages/${folder}/src/${file}`
  writeFileSync(
    settings,
    JSON.stringify({
      testRunner: "vitest",
      plugins: [
        join(home, "node_modules/@stryker-mutator/vitest-runner/dist/src/index.js"),
        ...(sample === undefined ? [] : [join(root, "scripts/mutation/sample.mjs")])
      ],
      vitest: { configFile: "vitest.mutation.ts", related: false },
      inPlace: true,
      tempDirName: ".stryker",
      coverageAnalysis: "perTest",
      concurrency: Number(process.env.MUTATION_CONCURRENCY ?? availableParallelism()),
      // It detects an endless loop, but not a busy machine: a run that ends for another reason counts as killed.
      timeoutMS: 10_000,
      timeoutFactor: 4,
      dryRunTimeoutMinutes: 60,
      disableTypeChecks: false,
      checkers: sample === undefined ? [] : ["sample"],
      // Message texts are not mutated: tests check only the words that matter.
      mutator: { excludedMutations: ["StringLiteral"] },
      mutate: places.length > 0
        ? places.map((place) => `${source(place)}:0-${/\d+$/.exec(place)?.[0]}:9999`)
        : files.map((file) => file.startsWith("!") ? `!${source(file.slice(1))}` : source(file)),
      reporters: ["json", "progress-append-only"],
      jsonReporter: { fileName: report },
      // Nothing else is changed, so that nothing else needs to be read.
      ignorePatterns: ["/*", "!/packages"]
    })
  )
  const child = spawn(
    process.execPath,
    [join(home, "node_modules/@stryker-mutator/core/bin/stryker.js"), "run", settings],
    {
      cwd: tree,
      env: {
        ...process.env,
        MUTATION_PACKAGE: folder,
        MUTATION_TESTS: tests.join(" "),
        MUTATION_SAMPLE: sample,
        MUTATION_SEED: seed
      },
      stdio: ["ignore", "inherit", "inherit"]
    }
  )
  const [code] = await once(child, "close")
  rmSync(tree, { recursive: true, force: true, maxRetries: 10, retryDelay: 200 })
  if (code !== 0 || !existsSync(report)) throw new Error(`${name}: Stryker ended with exit code ${code}`)
  const all = Object.entries(/** @type {Report} */ (JSON.parse(readFileSync(report, "utf8"))).files).flatMap((
    [file, { mutants, source }]
  ) => mutants.map((mutant) => describe(file, source.split("\n"), mutant)))
  const same = all.filter(({ survived, file, line, from, to }) =>
    survived &&
    equivalent.some((one) =>
      one.file === file && one.line === line && one.to === to && (one.from === undefined || one.from === from)
    )
  )
  const counted = all.filter((mutant) => mutant.counts && !same.includes(mutant))
  const leftOut = all.filter((mutant) => mutant.isLeftOut).length
  const survivors = counted.filter(({ survived }) => survived)
  for (const { at, file, from, line, to } of survivors) {
    console.log(`  survived  ${file}:${at}\n            ${line}\n            ${from}  ->  ${to}`)
  }
  const killed = counted.length - survivors.length
  return {
    name,
    mutants: leftOut === 0 ? `${counted.length}` : `${counted.length} of ${counted.length + same.length + leftOut}`,
    killed,
    score: 100 * killed / counted.length,
    same: same.length
  }
}

/**
 * @typedef {{ line: number, column: number }} Position
 * @typedef {{ status: string, replacement?: string, location: { start: Position, end: Position } }} Mutant
 * @typedef {{ files: Record<string, { source: string, mutants: Array<Mutant> }> }} Report
 * @param {string} file
 * @param {ReadonlyArray<string>} lines
 * @param {Mutant} mutant
 */
const describe = (file, lines, { location: { end, start }, replacement = "", status }) => {
  const text = lines.slice(start.line - 1, end.line).join("\n")
  const rest = (lines[end.line - 1] ?? "").length - (end.column - 1)
  return {
    file,
    at: start.line,
    line: (lines[start.line - 1] ?? "").trim(),
    from: text.slice(start.column - 1, text.length - rest).replace(/\s+/g, " "),
    to: replacement.replace(/\s+/g, " "),
    survived: status === "Survived" || status === "NoCoverage",
    isLeftOut: status === "CompileError",
    counts: status === "Survived" || status === "NoCoverage" || status === "Killed" || status === "Timeout"
  }
}

await install()
let isLow = false
for (const area of chosen) {
  console.log(`\n== ${area.name}`)
  const { killed, mutants, name, same, score } = await mutate(area)
  if (places.length === 0) {
    const { commit, date } = await now()
    record(
      "mutation",
      [[name, date, commit, mutants, killed, `${score.toFixed(1)} %`, same]],
      (one) => areas.some(({ name }) => name === one)
    )
  }
  isLow ||= score < least
  console.log(`${score < least ? "FAIL" : "pass"}  ${name}: ${killed} killed, ${mutants} tried (${score.toFixed(1)} %)`)
}
process.exitCode = isLow ? 1 : 0
