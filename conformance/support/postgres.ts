/** A real Postgres in a temporary folder, for one script. */
import { chownSync, existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { against } from "./against.ts"
import { freePort, run, startServer } from "./process.ts"

export interface Postgres extends AsyncDisposable {
  /** postgres://postgres@127.0.0.1:PORT/postgres */
  readonly url: string
  readonly port: number
  /** Runs SQL with psql and returns its output, unaligned and without headers. */
  readonly psql: (sql: string, database?: string) => Promise<string>
  /** Stops the server at once, as a crash does, and keeps its data. */
  readonly halt: () => Promise<void>
  /** Starts the server again after `halt`. */
  readonly resume: () => Promise<void>
  readonly stop: () => Promise<void>
}

/** The folder of the server programs: Debian's newest, otherwise that of pg_config. */
const programs = async (version: string | undefined): Promise<string> => {
  const debian = "/usr/lib/postgresql"
  const versions = existsSync(debian) ? readdirSync(debian) : []
  const [newest] = versions
    .filter((name) => (version === undefined || name === version) && existsSync(join(debian, name, "bin", "initdb")))
    .toSorted((left, right) => Number(right) - Number(left))
  if (newest !== undefined) return join(debian, newest, "bin")
  const config = await run("pg_config", ["--bindir"], { allowFailure: true }).catch(() => undefined)
  const bin = config?.stdout.trim() ?? ""
  if (existsSync(join(bin, "initdb"))) return bin
  throw new Error(`the server programs of Postgres ${version ?? "15"} were not found; install postgresql`)
}

/** Postgres refuses to run as root: then it runs as the user of Debian's package. */
const user = async (): Promise<{ readonly uid: number; readonly gid: number } | undefined> => {
  if (process.getuid?.() !== 0) return undefined
  const id = async (flag: string) => Number((await run("id", [flag, "postgres"])).stdout)
  return { uid: await id("-u"), gid: await id("-g") }
}

/** Starts an empty Postgres (UTF-8, C collation by default, no password) that is stopped when it is disposed. */
export const startPostgres = async (
  options: { readonly version?: string; readonly locale?: string; readonly settings?: Record<string, string> } = {}
): Promise<Postgres> => {
  const bin = await programs(options.version)
  against((await run(join(bin, "postgres"), ["--version"])).stdout.trim().replace(/^.*\) (\S+).*$/, "Postgres $1"))
  const as = await user()
  const data = mkdtempSync(join(tmpdir(), "postgres-"))
  if (as !== undefined) chownSync(data, as.uid, as.gid)
  const port = await freePort()
  const settings = Object.entries({ fsync: "off", synchronous_commit: "off", ...options.settings })
  const remove = () => rmSync(data, { recursive: true, force: true })
  try {
    const locale = options.locale ?? "C"
    await run(join(bin, "initdb"), ["-D", data, "-A", "trust", "-U", "postgres", "-E", "UTF8", `--locale=${locale}`], {
      ...as,
      cwd: data
    })
    const start = () =>
      startServer(
        join(bin, "postgres"),
        [
          "-D",
          data,
          "-k",
          data,
          "-h",
          "127.0.0.1",
          "-p",
          String(port),
          ...settings.flatMap(([k, v]) => ["-c", `${k}=${v}`])
        ],
        { ...as, cwd: data, port, ready: /ready to accept connections/ }
      )
    let server = await start()
    const stop = async () => {
      await server.stop()
      remove()
    }
    const connection = ["-h", "127.0.0.1", "-p", String(port), "-U", "postgres"]
    return {
      url: `postgres://postgres@127.0.0.1:${port}/postgres`,
      port,
      psql: async (sql, database = "postgres") =>
        (await run(join(bin, "psql"), [...connection, "-d", database, "-v", "ON_ERROR_STOP=1", "-XqAt"], {
          input: sql
        })).stdout,
      halt: async () => {
        await run(join(bin, "pg_ctl"), ["-D", data, "-m", "immediate", "stop"], { ...as, cwd: data })
        await server.stop()
      },
      resume: async () => {
        server = await start()
      },
      stop,
      [Symbol.asyncDispose]: stop
    }
  } catch (error) {
    remove()
    throw error
  }
}
