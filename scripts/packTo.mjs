// npm run tarballs -- DIR: builds and packs every package into DIR, and prints how they are installed from there.
import { copyFileSync, mkdirSync } from "node:fs"
import { basename, join, resolve } from "node:path"
import { pack } from "./tarballs.mjs"

const [directory] = process.argv.slice(2)
if (directory === undefined) {
  console.error("usage: npm run tarballs -- DIR")
  process.exit(2)
}
const path = resolve(directory)
const { remove, tarballs } = await pack()
try {
  mkdirSync(path, { recursive: true })
  for (const tarball of tarballs.values()) copyFileSync(tarball, join(path, basename(tarball)))
} finally {
  remove()
}
console.log(`${tarballs.size} packages are in ${path}; in your project:`)
console.log(`npm install effect ${path}/effect-prefect-{core,pickle,formats,api,results}-*.tgz`)
