/** The packages that only `serve` needs, which are installed on demand. */
import * as Effect from "effect/Effect"
import { readFileSync } from "node:fs"
import { findPackageJSON } from "node:module"
import { dirname } from "node:path"
import { CommandFailed } from "./errors.ts"

const fileOf = (name: string): string | undefined =>
  findPackageJSON(name, findPackageJSON("@effect-prefect/server", import.meta.url))

/** The folder of a package that the server finds. */
export const folderOf = (name: string): string => dirname(fileOf(name) ?? "")

/** The version of a package that the server finds; undefined when it is not installed. */
export const versionOf = (name: string): string | undefined => {
  try {
    const file = fileOf(name)
    return file === undefined
      ? undefined
      : (JSON.parse(readFileSync(file, "utf8")) as { readonly version: string }).version
  } catch {
    return undefined
  }
}

/** Fails with instructions when one of these packages is missing. */
export const need = (...names: ReadonlyArray<string>): Effect.Effect<void, CommandFailed> =>
  Effect.suspend(() => {
    const missing = names.filter((name) => versionOf(name) === undefined)
    return missing.length === 0 ? Effect.void : Effect.fail(
      new CommandFailed({
        message: `serve needs ${missing.join(" and ")}, which only it needs: npm install ${
          missing.join(" ")
        } beside effect-prefect`
      })
    )
  })
