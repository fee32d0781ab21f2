import { existsSync, readdirSync } from "node:fs"
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

const projects = [...folders, { name: "scripts", root: "scripts" }]

export default defineConfig({
  resolve: { conditions },
  ssr: { resolve: { conditions, externalConditions: conditions } },
  test: {
    projects: projects.map(({ name, root }) => ({
      extends: true as const,
      test: { name, root, include: ["test/**/*.test.ts"], testTimeout: 30_000 }
    }))
  }
})
