/** Python virtual environments with given packages, and those of the Prefects that we are compared with. */
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { homedir } from "node:os"
import { join } from "node:path"
import { against } from "./against.ts"
import { folder } from "./folder.ts"
import { type Options, type Output, run } from "./process.ts"

export interface Requirements {
  /** The folder's name under `.conformance/`. */
  readonly name: string
  /** "3.11", or undefined for the default `python3`. */
  readonly python?: string
  /** In pip's syntax. */
  readonly packages: ReadonlyArray<string>
}

export interface Venv {
  /** Its interpreter. */
  readonly python: string
  /** A program of its packages, such as `moto_server`. */
  readonly bin: (program: string) => string
  /** Runs its interpreter to the end. */
  readonly run: (
    args: ReadonlyArray<string>,
    options?: Options & { readonly allowFailure?: boolean }
  ) => Promise<Output>
}

/** The interpreter of a Python version: pyenv's newest patch release, otherwise `pythonX.Y` on the path. */
const interpreter = async (version: string | undefined): Promise<string> => {
  const pyenv = join(process.env["PYENV_ROOT"] ?? join(homedir(), ".pyenv"), "versions")
  if (version !== undefined && existsSync(pyenv)) {
    const [newest] = readdirSync(pyenv)
      .filter((name) => name === version || name.startsWith(`${version}.`))
      .toSorted((left, right) => right.localeCompare(left, "en", { numeric: true }))
    if (newest !== undefined) return join(pyenv, newest, "bin", "python3")
  }
  const program = `python${version ?? "3"}`
  const found = await run(program, ["--version"], { allowFailure: true }).catch(() => undefined)
  if (found?.code !== 0) throw new Error(`Python ${version ?? "3"} was not found; install it, or pyenv with it`)
  return program
}

/** The installed versions of the requested packages: pip leaves a folder for each, with its version. */
const installed = (path: string, { packages, python }: Requirements): ReadonlyArray<string> => {
  const normal = (name: string) => name.toLowerCase().replace(/[-_.]+/g, "-")
  const wanted = new Set(packages.map((name) => normal(/^[\w.-]+/.exec(name)?.[0] ?? "")))
  const lib = join(path, "lib")
  const [version = python ?? ""] = existsSync(lib) ? readdirSync(lib) : []
  const site = join(lib, version, "site-packages")
  const found = (existsSync(site) ? readdirSync(site) : []).flatMap((name) => {
    const [, distribution = "", number = ""] = /^(.+)-([^-]+)\.dist-info$/.exec(name) ?? []
    return wanted.has(normal(distribution)) ? [`${normal(distribution)} ${number}`] : []
  })
  return [version.replace("python", "Python "), ...found]
}

/**
 * A virtual environment with these packages, made when it does not exist or was made for other packages. Kept for
 * later.
 */
export const venv = async (requirements: Requirements): Promise<Venv> => {
  const path = folder(requirements.name)
  const stamp = join(path, "requirements.json")
  const wanted = JSON.stringify([requirements.python ?? "3", ...requirements.packages])
  const python = join(path, "bin", "python")
  if (!existsSync(stamp) || readFileSync(stamp, "utf8") !== wanted || !existsSync(python)) {
    console.error(`making .conformance/${requirements.name}: ${requirements.packages.join(" ")}`)
    rmSync(path, { recursive: true, force: true })
    await run(await interpreter(requirements.python), ["-m", "venv", path])
    if (requirements.packages.length > 0) {
      await run(python, ["-m", "pip", "install", "-q", "--disable-pip-version-check", ...requirements.packages])
    }
    writeFileSync(stamp, wanted)
  }
  for (const program of installed(path, requirements)) against(program)
  return {
    python,
    bin: (program) => join(path, "bin", program),
    run: (args, options) => run(python, args, options)
  }
}

// Without these bounds the old Prefects import and then fail on the first state.
const bounds = ["marshmallow<3.20", "marshmallow-oneofschema==3.0.1", "pendulum<3"]

/** Prefect 1.4.1, the last of its line, with pandas and boto3. */
export const prefect1: Requirements = {
  name: "prefect-1",
  python: "3.11",
  packages: ["prefect==1.4.1", "setuptools<70", ...bounds, "pandas", "pyarrow", "boto3"]
}

/** Prefect 0.15.13, whose TaskRunView this project is about. */
export const prefect015: Requirements = {
  name: "prefect-0.15",
  python: "3.7",
  packages: ["prefect==0.15.13", "pandas==1.3.5", "numpy==1.21.6", "pyarrow<13", "setuptools<66", ...bounds]
}

/** Prefect 3.8.0; its server is `bin("prefect") server start --no-ui`. */
export const prefect3: Requirements = {
  name: "prefect-3",
  python: "3.11",
  packages: ["prefect==3.8.0", "fastapi==0.139.0"]
}

/** The environment that makes Prefect 0.15 and 1 use a server, and lets their flows store results. */
export const prefect1Environment = (url: string): Record<string, string> => ({
  PREFECT__BACKEND: "server",
  PREFECT__SERVER__ENDPOINT: url,
  PREFECT__CLOUD__API: url,
  PREFECT__FLOWS__CHECKPOINTING: "true"
})
