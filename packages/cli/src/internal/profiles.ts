/** The profiles of the user's configuration file: named backends with their storages, which save typing their flags. */
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { randomUUID } from "node:crypto"
import * as fs from "node:fs/promises"
import { dirname } from "node:path"
import type { TomlError } from "smol-toml"
import { CommandFailed } from "./errors.ts"
import { codeOf, makeFolder, writeFailed } from "./files.ts"
import { isObject } from "./isObject.ts"

/** Most users have no profiles, and then nothing is parsed. */
const toml = () => import("smol-toml")

const isTomlError = (error: unknown): error is TomlError =>
  error instanceof Error && typeof (error as { readonly line?: unknown }).line === "number"

/** The flags of one profile. */
export interface Profile {
  readonly archive?: Redacted.Redacted | undefined
  readonly api?: Redacted.Redacted | undefined
  readonly database?: Redacted.Redacted | undefined
  readonly prefect3?: Redacted.Redacted | undefined
  readonly mount: ReadonlyArray<string>
  readonly s3Endpoint?: string | undefined
}

export interface Profiles {
  readonly active: string | undefined
  readonly profiles: ReadonlyMap<string, Profile>
}

const texts = ["archive", "api", "database", "prefect3"] as const

/** Larger than any hand-written configuration. */
const maxBytes = 1024 * 1024

const invalid = (file: string, detail: string) => new CommandFailed({ message: `${file}: ${detail}` })

const toProfile = (file: string, name: string, value: unknown): Profile => {
  if (!isObject(value)) throw invalid(file, `profiles.${name} must be a table`)
  const profile: { -readonly [Key in keyof Profile]: Profile[Key] } = { mount: [] }
  for (const [key, setting] of Object.entries(value)) {
    if ((texts as ReadonlyArray<string>).includes(key)) {
      if (typeof setting !== "string") throw invalid(file, `profiles.${name}.${key} must be a string`)
      profile[key as (typeof texts)[number]] = Redacted.make(setting)
    } else if (key === "mount") {
      if (!Array.isArray(setting) || !setting.every((item) => typeof item === "string")) {
        throw invalid(file, `profiles.${name}.mount must be an array of strings`)
      }
      profile.mount = setting as ReadonlyArray<string>
    } else if (key === "s3-endpoint") {
      if (typeof setting !== "string") throw invalid(file, `profiles.${name}.s3-endpoint must be a string`)
      profile.s3Endpoint = setting
    } else {
      throw invalid(file, `profiles.${name} has the unknown key ${JSON.stringify(key)}`)
    }
  }
  return profile
}

/** The profiles of a file; empty when the file does not exist. */
export const read = (file: string): Effect.Effect<Profiles, CommandFailed> =>
  Effect.tryPromise({
    try: async () => {
      let text: string
      try {
        const { readText } = await import("@effect-prefect/api/Network")
        text = await readText(file, { maxBytes })
      } catch (error) {
        if (codeOf(error) === "EFBIG") throw invalid(file, `it has more than ${maxBytes} bytes`)
        if (codeOf(error) === "ENOENT" || codeOf(error) === "ENOTDIR") return { active: undefined, profiles: new Map() }
        throw error
      }
      const { parse } = await toml()
      const root = parse(text)
      const { active, profiles = {} } = root
      if (active !== undefined && typeof active !== "string") {
        throw invalid(file, "active must be the name of a profile")
      }
      if (!isObject(profiles)) throw invalid(file, "profiles must be a table")
      return {
        active,
        profiles: new Map(Object.entries(profiles).map(([name, value]) => [name, toProfile(file, name, value)]))
      }
    },
    catch: (error) =>
      error instanceof CommandFailed
        ? error
        : isTomlError(error)
        ? invalid(file, `it is not valid TOML (line ${error.line})`)
        : invalid(file, `it cannot be read (${codeOf(error)})`)
  })

/** Replaces the file atomically, readable by its owner only: a database's URL may contain a password. */
export const write = (file: string, { active, profiles }: Profiles): Effect.Effect<void, CommandFailed> =>
  Effect.tryPromise({
    try: async () => {
      const { stringify } = await toml()
      const tables = [...profiles].map(([name, { mount, s3Endpoint, ...backend }]) =>
        [name, {
          ...Object.fromEntries(
            texts.flatMap((key) => backend[key] === undefined ? [] : [[key, Redacted.value(backend[key])]])
          ),
          ...(mount.length === 0 ? {} : { mount: [...mount] }),
          ...(s3Endpoint === undefined ? {} : { "s3-endpoint": s3Endpoint })
        }] as const
      )
      const text = stringify({ ...(active === undefined ? {} : { active }), profiles: Object.fromEntries(tables) })
      await makeFolder(dirname(file))
      const partial = `${file}.${randomUUID()}.partial`
      await fs.writeFile(partial, `${text}\n`, { mode: 0o600, flag: "wx" })
      await fs.rename(partial, file)
    },
    catch: writeFailed(file)
  })
