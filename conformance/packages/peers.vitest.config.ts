/** The suites of what optional peers do, on the sources of a folder that has other versions of the peers. */
import { join } from "node:path"
import { defineConfig } from "vitest/config"

const root = process.env["PEERS_FOLDER"] ?? ""
const conditions = ["@effect-prefect/source", "node", "import", "default"]
const alias = ["results", "formats", "collect"].map((name) => ({
  find: new RegExp(`^@effect-prefect/${name}/(.*)$`),
  replacement: join(root, `packages/${name}/src/$1.ts`)
}))

export default defineConfig({
  root,
  resolve: { conditions, alias },
  ssr: { resolve: { conditions, externalConditions: conditions } },
  test: {
    include: JSON.parse(process.env["PEERS_TESTS"] ?? "[]") as Array<string>,
    isolate: false,
    testTimeout: 5 * 60_000,
    hookTimeout: 5 * 60_000
  }
})
