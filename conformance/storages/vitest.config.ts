import { fileURLToPath } from "node:url"
import { defineConfig } from "vitest/config"

const conditions = ["@effect-prefect/source", "node", "import", "default"]

export default defineConfig({
  root: fileURLToPath(new URL(".", import.meta.url)),
  resolve: { conditions },
  ssr: { resolve: { conditions, externalConditions: conditions } },
  test: { include: ["*.test.ts"], testTimeout: 60_000 }
})
