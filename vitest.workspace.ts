import { existsSync, readdirSync } from "node:fs"
import { availableParallelism } from "node:os"
import { defineConfig } from "vitest/config"

// The sources of the packages, without a build.
// No "module": Node itself loads the other packages, and what they offer bundlers is often not for it.
const conditions = ["@effect-prefect/source", "node", "import", "default"]

// packages/core is the project "core"; a folder may have no test yet.
const folders = ["packages", "examples"].filter((parent) => existsSync(parent)).flatMap((parent) =>
  readdirSync(parent, { withFileTypes: true }).filter((entry) => entry.isDirectory()).map(({ name }) => ({
    name,
    root: `${parent}/${name}`
  }))
)

// A module that is mocked must not be met by the file that runs next in the same process.
const mocks = new Set(["formats"])

// No machine is so busy that a test which is not stuck reaches it.
const timeout = 5 * 60_000

const projects = [...folders, { name: "scripts", root: "scripts" }]

export default defineConfig({
  resolve: { conditions },
  ssr: { resolve: { conditions, externalConditions: conditions } },
  test: {
    maxWorkers: availableParallelism(),
    globalSetup: "scripts/leftovers.mjs",
    projects: projects.map(({ name, root }) => ({
      extends: true as const,
      test: {
        name,
        root,
        include: ["test/**/*.test.ts"],
        isolate: mocks.has(name),
        testTimeout: timeout,
        hookTimeout: timeout
      }
    }))
  }
})
