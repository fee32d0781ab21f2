// Before the package is packed: checks that the page is built.
import { existsSync, readFileSync } from "node:fs"
import { join } from "node:path"

const dist = join(import.meta.dirname, "..", "dist")
const manifest = join(dist, "manifest.json")
const files = existsSync(manifest) ? JSON.parse(readFileSync(manifest, "utf8")).files : []
if (files.length === 0 || !files.every((/** @type {string} */ file) => existsSync(join(dist, file)))) {
  console.error("packages/ui: dist/ is not built: npm run ui")
  process.exitCode = 1
}
