// Writes src/index.ts of each package: one namespace for each PascalCase module, except those that package.json lists
// under "effect-prefect": { "ownEntryPoints": […] } because they need an optional peer. --check only compares.
import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { packages } from "./packages.mjs"

const check = process.argv.includes("--check")
let wrong = 0

for (const { folder, index, modules, ownEntryPoints, path, reexports } of packages) {
  for (const name of ownEntryPoints.filter((name) => !modules.includes(name))) {
    console.error(`packages/${folder}/package.json: there is no src/${name}.ts for the own entry point ${name}`)
    wrong++
  }
  if (index === "flat" || index === "built") continue
  const names = modules.filter((name) => /^[A-Z]/.test(name) && !ownEntryPoints.includes(name))
  const lines = names.map((name) => ({ name, from: `./${name}.ts` }))
  for (const [from, modules] of Object.entries(reexports)) {
    lines.push(...modules.map((name) => ({ name, from: `${from}/${name}` })))
  }
  // As dprint orders them: other packages first.
  const key = (/** @type {{ from: string }} */ { from }) => from.startsWith(".") ? `1${from}` : `0${from}`
  lines.sort((a, b) => key(a) < key(b) ? -1 : 1)
  const wanted = lines.map(({ from, name }) => `export * as ${name} from "${from}"\n`).join("") || "export {}\n"
  const file = join(path, "src", "index.ts")
  if (readFileSync(file, "utf8") === wanted) continue
  if (check) {
    console.error(`packages/${folder}/src/index.ts is out of date: run node scripts/indexes.mjs`)
    wrong++
  } else {
    writeFileSync(file, wanted)
    console.log(`packages/${folder}/src/index.ts written`)
  }
}
process.exitCode = wrong > 0 ? 1 : 0
