import { defineConfig } from "vitest/config"

// As in vitest.workspace.ts: sources of the workspace, without a build.
const conditions = ["@effect-prefect/source", "node", "import", "default"]

export default defineConfig({
  resolve: { conditions },
  ssr: { resolve: { conditions, externalConditions: conditions } },
  test: { root: import.meta.dirname, include: ["*.suite.ts"], testTimeout: 60_000 }
})
