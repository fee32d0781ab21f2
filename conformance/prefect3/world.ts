/** A real Prefect 3 server, an S3 server, and flows that ran against them. */
import { mkdirSync, mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { freePort, type Server, startServer } from "../support/process.ts"
import { prefect3, type Venv, venv } from "../support/python.ts"

export interface World extends AsyncDisposable {
  /** Ends in `/api`. */
  readonly url: string
  /** Where the worker kept its results. */
  readonly store: string
  readonly s3: string
  readonly python: Venv
  /** The environment of a worker. */
  readonly env: Readonly<Record<string, string>>
}

/** Starts the servers. */
export const start = async (settings: Readonly<Record<string, string>> = {}): Promise<World> => {
  const python = await venv({
    ...prefect3,
    name: "prefect-3-storages",
    packages: [...prefect3.packages, "prefect-aws==0.7.11", "moto[server]", "s3fs", "pandas", "numpy"]
  })
  const home = mkdtempSync(join(tmpdir(), "prefect3-"))
  const store = join(home, "store")
  mkdirSync(store)
  const [port, s3Port] = [await freePort(), await freePort()]
  const url = `http://127.0.0.1:${port}/api`
  const s3 = `http://127.0.0.1:${s3Port}`
  const env = {
    PREFECT_HOME: home,
    PREFECT_PROFILES_PATH: join(home, "profiles.toml"),
    PREFECT_RESULTS_LOCAL_STORAGE_PATH: join(store, "storage"),
    PREFECT_SERVER_MEMO_STORE_PATH: join(home, "memo.toml"),
    PREFECT_SERVER_DATABASE_CONNECTION_URL: `sqlite+aiosqlite:///${join(home, "prefect.db")}`,
    PREFECT_SERVER_ANALYTICS_ENABLED: "false",
    PREFECT_LOGGING_LEVEL: "WARNING",
    PREFECT_API_URL: url,
    STORE: store,
    S3_ENDPOINT: s3,
    AWS_ACCESS_KEY_ID: "AKIAFAKEFAKEFAKE0000",
    AWS_SECRET_ACCESS_KEY: "fake-secret-not-real",
    AWS_DEFAULT_REGION: "us-east-1",
    ...settings
  }
  const servers: Array<Server> = []
  const stop = async () => {
    for (const server of servers) await server.stop()
    rmSync(home, { recursive: true, force: true })
  }
  try {
    servers.push(await startServer(python.bin("moto_server"), ["-p", String(s3Port)], { env, port: s3Port }))
    await fetch(`${s3}/results`, { method: "PUT" })
    const probe = async () => (await fetch(`${url}/health`)).ok
    servers.push(
      await startServer(
        python.bin("prefect"),
        ["server", "start", "--no-ui", "--host", "127.0.0.1", "--port", String(port)],
        { env, cwd: home, probe, timeout: 120_000 }
      )
    )
    return { url, store, s3, python, env, [Symbol.asyncDispose]: stop }
  } catch (error) {
    await stop()
    throw error
  }
}
