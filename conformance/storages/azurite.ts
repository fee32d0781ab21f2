/** Azure Blob Storage on Azurite. */
import { existsSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { against } from "../support/against.ts"
import { folder } from "../support/folder.ts"
import { freePort, run, startServer } from "../support/process.ts"

/** Starts Azurite with its data in a folder, installed once from npm. */
export const startAzurite = async (location: string) => {
  const version = "3.37.0"
  against(`azurite ${version}`)
  const home = folder("azurite")
  const installed = join(home, "node_modules/azurite/package.json")
  if (!existsSync(installed) || JSON.parse(readFileSync(installed, "utf8")).version !== version) {
    writeFileSync(join(home, "package.json"), JSON.stringify({ private: true }))
    await run("npm", ["install", "--no-audit", "--no-fund", "--loglevel=error", `azurite@${version}`], { cwd: home })
  }
  const port = await freePort()
  const server = await startServer(
    process.execPath,
    [
      join(home, "node_modules/azurite/dist/src/blob/main.js"),
      "--blobHost",
      "127.0.0.1",
      "--blobPort",
      String(port),
      "--location",
      location,
      "--skipApiVersionCheck",
      "--silent"
    ],
    { port }
  )
  // The account of every Azurite; its key is public in Microsoft's documentation.
  const key = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
  const connectionString = "DefaultEndpointsProtocol=http;AccountName=devstoreaccount1;" +
    `AccountKey=${key};BlobEndpoint=http://127.0.0.1:${port}/devstoreaccount1;`
  return { server, connectionString }
}
