import { availableParallelism } from "node:os"
import { defineConfig } from "vitest/config"

// The sources of the packages, without a build.
// No "module": Node itself loads the other packages, and what they offer bundlers is often not for it.
const conditions = ["@effect-prefect/source", "node", "import", "default"]

// No machine is so busy that a test which is not stuck reaches it.
const timeout = 5 * 60_000

// One project: its processes, as many as there are cores, load what most files import once, and take the longest file
// that is left. A project for each package would start them anew for each, and wait for the last file of each.
export default defineConfig({
  resolve: { conditions },
  ssr: { resolve: { conditions, externalConditions: conditions } },
  test: {
    maxWorkers: availableParallelism(),
    globalSetup: "scripts/leftovers.mjs",
    include: ["{packages,examples}/*/test/**/*.test.ts", "scripts/test/**/*.test.ts"],
    isolate: false,
    // There are as many processes as cores: threads that collect garbage beside them take their time.
    execArgv: ["--single-threaded-gc"],
    testTimeout: timeout,
    hookTimeout: timeout
  }
})
