import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { execFile } from "node:child_process"
import { join } from "node:path"
import { pathToFileURL } from "node:url"
import { temporaryFolder, writeFile } from "./support/temporaryFolder.ts"

const support = join(import.meta.dirname, "support")

describe("without the SDKs", () => {
  it.live("local files are read, and each store says what to install", () =>
    Effect.gen(function*() {
      const folder = yield* temporaryFolder
      writeFile(join(folder, "file"), "a local result")
      const output = yield* Effect.callback<string>((resume) => {
        execFile(
          process.execPath,
          [
            "--conditions=@effect-prefect/source",
            `--import=${pathToFileURL(join(support, "withoutSdks.mjs")).href}`,
            join(support, "readWithoutSdks.ts"),
            folder
          ],
          { env: { ...process.env, NODE_OPTIONS: "" } },
          (error, stdout, stderr) => resume(error === null ? Effect.succeed(stdout) : Effect.die(`${error}\n${stderr}`))
        )
      })
      const [local, ...stores] = JSON.parse(output) as ReadonlyArray<string>
      assert.strictEqual(local, "a local result")
      const packages = ["@aws-sdk/client-s3", "@google-cloud/storage", "@azure/storage-blob"]
      for (const [index, name] of packages.entries()) {
        assert.match(stores[index] ?? "", /^StorageNotProvided: /)
        assert.include(stores[index], `npm install ${name}`)
      }
    }))
})
