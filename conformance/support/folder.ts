/**
 * The folder for installations of conformance scripts: `.conformance/` of the repository, which version control
 * ignores.
 */
import { mkdirSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"

/** The repository. */
export const root = fileURLToPath(new URL("../..", import.meta.url))

/** A folder with that name under `.conformance/`, created when it does not exist. It is kept from run to run. */
export const folder = (name: string): string => {
  const path = join(root, ".conformance", name)
  mkdirSync(path, { recursive: true })
  return path
}
