import { availableParallelism } from "node:os"
import { defineConfig } from "vitest/config"
import { BaseSequencer, type TestSpecification } from "vitest/node"

// The sources of the packages, without a build.
const source = "@effect-prefect/source"
// For the runs in which vite loads them, those of `npm run mutation`. No "module": Node itself loads the other packages,
// and what they offer bundlers is often not for it.
const conditions = [source, "node", "import", "default"]

// vite asks Node for the "development" builds of packages otherwise, which users of ours have not: GraphQL's looks twice
// at each value. The tests' own processes have vitest's name of the environment, as without this.
process.env["NODE_ENV"] = "production"

// No machine is so busy that a test which is not stuck reaches it.
const timeout = 5 * 60_000

// The files that take longest, the longest first: a long one that begins last would leave the other processes idle.
// vitest knows the others from earlier runs, or by their size.
const longest = [
  "server/test/archive",
  "cli/test/serve",
  "formats/test/steps",
  "server/test/requests",
  "api/test/graphqlFaults",
  "collect/test/format",
  "results/test/archiveKept",
  "results/test/S3Storage",
  "formats/test/giveWay",
  "formats/test/lies",
  "collect/test/cluster",
  "api/test/longAnswers",
  "pickle/test/hostile",
  "formats/test/ValueSize",
  "results/test/Archive"
].map((name) => `/packages/${name}.test.ts`)

class LongestFirst extends BaseSequencer {
  override async sort(files: Array<TestSpecification>): Promise<Array<TestSpecification>> {
    const rank = ({ moduleId }: TestSpecification) => {
      const at = longest.findIndex((name) => moduleId.endsWith(name))
      return at === -1 ? longest.length : at
    }
    return (await super.sort(files)).toSorted((left, right) => rank(left) - rank(right))
  }
}

// One project: its processes, as many as there are cores, load what most files import once, and take the longest file
// that is left. A project for each package would start them anew for each, and wait for the last file of each.
export default defineConfig({
  resolve: { conditions },
  ssr: { resolve: { conditions, externalConditions: conditions } },
  test: {
    maxWorkers: availableParallelism(),
    sequence: { sequencer: LongestFirst },
    globalSetup: "scripts/leftovers.mjs",
    include: ["{packages,examples}/*/test/**/*.test.ts", "scripts/test/**/*.test.ts"],
    isolate: false,
    // Node loads the modules: vite's runner turns each use of an import into a call, and compiles each module anew.
    experimental: { viteModuleRunner: false, nodeLoader: false },
    execArgv: [
      `--conditions=${source}`,
      // There are as many processes as cores: threads that collect garbage beside them take their time.
      "--single-threaded-gc",
      // An embedded Postgres runs for a moment: compiling its WebAssembly once more, for speed, takes longer.
      "--liftoff-only"
    ],
    // The authorities of the machine, where it names them: every client of S3 would read them.
    env: { NODE_ENV: "test", AWS_CA_BUNDLE: "" },
    testTimeout: timeout,
    hookTimeout: timeout
  }
})
