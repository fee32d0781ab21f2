/**
 * The storages on real servers: S3 on moto, Google Cloud Storage on gcp-storage-emulator, Azure Blob Storage on Azurite.
 * Then the packed packages where no SDK is installed.
 */
import * as assert from "node:assert/strict"
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { install, pack } from "../scripts/tarballs.mjs"
import { startAzurite } from "./storages/azurite.ts"
import { startMoto } from "./storages/moto.ts"
import { type Servers, variable } from "./storages/servers.ts"
import { check } from "./support/check.ts"
import { root } from "./support/folder.ts"
import { freePort, run, startServer } from "./support/process.ts"
import { venv } from "./support/python.ts"

const scratch = mkdtempSync(join(tmpdir(), "storages-"))

const startGcs = async () => {
  const { bin } = await venv({ name: "gcs", packages: ["gcp-storage-emulator==2026.7.19", "setuptools<81"] })
  const port = await freePort()
  const args = ["start", "--host=127.0.0.1", `--port=${port}`, "--in-memory"]
  return { server: await startServer(bin("gcp-storage-emulator"), args, { port }), url: `http://127.0.0.1:${port}` }
}

interface Report {
  readonly testResults: ReadonlyArray<{
    readonly message: string
    readonly assertionResults: ReadonlyArray<{
      readonly fullName: string
      readonly status: string
      readonly failureMessages: ReadonlyArray<string>
    }>
  }>
}

const onServers = async (servers: Servers): Promise<void> => {
  const report = join(scratch, "report.json")
  const config = join(import.meta.dirname, "storages/vitest.config.ts")
  const vitest = join(root, "node_modules/vitest/vitest.mjs")
  const { stdout } = await run(
    process.execPath,
    [vitest, "run", "--config", config, "--reporter=json", `--outputFile=${report}`],
    { cwd: root, env: { [variable]: JSON.stringify(servers) }, allowFailure: true }
  )
  if (!existsSync(report)) throw new Error(stdout)
  const { testResults } = JSON.parse(readFileSync(report, "utf8")) as Report
  for (const { assertionResults, message } of testResults) {
    if (assertionResults.length === 0) await check("the tests load", () => assert.fail(message))
    for (const { failureMessages, fullName, status } of assertionResults) {
      await check(fullName, () => assert.equal(status, "passed", failureMessages.join("\n")))
    }
  }
}

try {
  const moto = await startMoto()
  const gcs = await startGcs()
  const azurite = await startAzurite(scratch)
  await onServers({ s3: moto.url, gcs: gcs.url, azure: azurite.connectionString })
  for (const { server } of [moto, gcs, azurite]) await server.stop()

  const packed = await pack()
  try {
    const project = await install(packed.folder, packed.tarballs)
    await check("the packed packages bring no SDK", () => {
      for (const name of ["@aws-sdk/client-s3", "@google-cloud/storage", "@azure/storage-blob", "@azure/identity"]) {
        assert.equal(existsSync(join(project, "node_modules", name)), false, name)
      }
    })
    await check("the packed results read a local file without any SDK, and name the one that is missing", async () => {
      const source = readFileSync(join(root, "packages/results/test/support/readWithoutSdks.ts"), "utf8")
      writeFileSync(join(project, "read.mts"), source)
      writeFileSync(join(project, "file"), "a local result")
      const { stdout } = await run(process.execPath, ["read.mts", project], { cwd: project, env: { NODE_OPTIONS: "" } })
      const [local, ...stores] = JSON.parse(stdout) as ReadonlyArray<string>
      assert.equal(local, "a local result")
      assert.equal(stores.length, 3)
      for (const store of stores) assert.match(store, /^StorageNotProvided: .*npm install @/)
    })
    await check("their types need no SDK", async () => {
      writeFileSync(
        join(project, "tsconfig.json"),
        JSON.stringify({
          compilerOptions: {
            module: "NodeNext",
            target: "ES2023",
            lib: ["ES2023", "DOM", "DOM.AsyncIterable", "ESNext.Disposable"],
            strict: true,
            noEmit: true,
            skipLibCheck: false,
            types: ["node"],
            typeRoots: [join(root, "node_modules/@types")]
          },
          files: ["read.mts"]
        })
      )
      const result = await run(join(root, "node_modules/.bin/tsc"), ["-p", "."], { cwd: project, allowFailure: true })
      assert.equal(result.stdout, "")
      assert.equal(result.code, 0)
    })
  } finally {
    packed.remove()
  }
} finally {
  rmSync(scratch, { recursive: true, force: true })
}
