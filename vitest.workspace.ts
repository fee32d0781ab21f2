import { defineConfig } from "vitest/config"

const conditions = ["@effect-prefect/source", "module", "node", "import", "default"]

export default defineConfig({
  resolve: { conditions },
  ssr: { resolve: { conditions, externalConditions: conditions } },
  test: {
    projects: ["core", "pickle", "api", "results", "server", "cli"].map((name) => ({
      extends: true as const,
      test: { name, root: `packages/${name}`, include: ["test/**/*.test.ts"], testTimeout: 30_000 }
    }))
  }
})
