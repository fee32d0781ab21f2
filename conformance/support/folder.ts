/** Where conformance scripts keep what they install: `.conformance/` of the repository, which version control ignores. */
import { mkdirSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"

/** The repository. */
export const root = fileURLToPath(new URL("../..", import.meta.url))

/** A folder of that name under `.conformance/`, created when it is not there. It is kept from run to run. */
export const folder = (name: string): string => {
  const path = join(root, ".conformance", name)
  mkdirSync(path, { recursive: true })
  return path
}
