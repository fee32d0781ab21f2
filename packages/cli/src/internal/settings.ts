/**
 * The backend and the storages of a command, and the source of each: a flag, a variable, a profile of the configuration
 * file, or Prefect's own configuration.
 */
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import { homedir } from "node:os"
import { join } from "node:path"
import { UsageError } from "./errors.ts"
import * as Profiles from "./profiles.ts"

export interface BackendFlags {
  readonly archive: Option.Option<string>
  readonly api: Option.Option<string>
  readonly database: Option.Option<Redacted.Redacted>
  readonly prefect3: Option.Option<string>
  readonly profile: Option.Option<string>
}

/** No backend, for commands that take none. */
export const none: BackendFlags = {
  archive: Option.none(),
  api: Option.none(),
  database: Option.none(),
  prefect3: Option.none(),
  profile: Option.none()
}

export const backendKinds = ["archive", "api", "database", "prefect3"] as const
export type BackendKind = (typeof backendKinds)[number]

/** A setting, and the place to change it: `--api`, `EFFECT_PREFECT_API`, `profile NAME in FILE`. */
export interface Setting<A> {
  readonly value: A
  readonly source: string
}

export interface Backend extends Setting<Redacted.Redacted> {
  readonly kind: BackendKind
}

const variables: { readonly [Kind in BackendKind]: string } = {
  archive: "EFFECT_PREFECT_ARCHIVE",
  api: "EFFECT_PREFECT_API",
  database: "EFFECT_PREFECT_DATABASE",
  prefect3: "EFFECT_PREFECT_PREFECT3"
}

const variable = (name: string) =>
  Config.option(Config.String(name)).pipe(
    Effect.map(Option.filter((text) => text !== "")),
    Effect.orElseSucceed(Option.none<string>)
  )

const onlyOne = (named: ReadonlyArray<Backend>): Effect.Effect<Backend | undefined, UsageError> =>
  named.length > 1
    ? Effect.fail(
      new UsageError({ message: `give one backend, not ${named.map(({ source }) => source).join(" and ")}` })
    )
    : Effect.succeed(named[0])

/** The path of the user's configuration: `$XDG_CONFIG_HOME/effect-prefect/config.toml`, otherwise below `~/.config`. */
export const configFile = Effect.map(
  variable("XDG_CONFIG_HOME"),
  (folder) => join(Option.getOrElse(folder, () => join(homedir(), ".config")), "effect-prefect", "config.toml")
)

const profileOf = Effect.fnUntraced(function*(flags: Pick<BackendFlags, "profile">) {
  const file = yield* configFile
  const config = yield* Profiles.read(file)
  const named = Option.isSome(flags.profile) ? flags.profile : yield* variable("EFFECT_PREFECT_PROFILE")
  const name = Option.isSome(named) ? named.value : config.active
  if (name === undefined) return undefined
  const profile = config.profiles.get(name)
  if (profile === undefined) {
    const names = [...config.profiles.keys()]
    return yield* new UsageError({
      message: `there is no profile ${JSON.stringify(name)} in ${file}` +
        (names.length === 0 ? ": effect-prefect profile set makes one" : `; there are ${names.join(", ")}`)
    })
  }
  return { profile, source: `profile ${name} in ${file}` }
})

/** The configured backend and mounts. Without a backend, Prefect's own configuration is the last resort. */
export const resolve = Effect.fnUntraced(function*(flags: BackendFlags) {
  const flagged = backendKinds.flatMap((kind): ReadonlyArray<Backend> => {
    const value = flags[kind] as Option.Option<string | Redacted.Redacted>
    if (Option.isNone(value)) return []
    return [{
      kind,
      value: Redacted.isRedacted(value.value) ? value.value : Redacted.make(value.value),
      source: `--${kind}`
    }]
  })
  const byFlag = yield* onlyOne(flagged)
  if (byFlag !== undefined && Option.isSome(flags.profile)) {
    return yield* new UsageError({ message: `give one backend, not ${byFlag.source} and --profile` })
  }
  const mountsOfVariable = yield* mountVariable
  if (byFlag !== undefined) return { backend: byFlag, mounts: mountsOfVariable, profile: undefined }
  if (Option.isNone(flags.profile)) {
    const set: Array<Backend> = []
    for (const kind of backendKinds) {
      const value = yield* variable(variables[kind])
      if (Option.isSome(value)) set.push({ kind, value: Redacted.make(value.value), source: variables[kind] })
    }
    const byVariable = yield* onlyOne(set)
    if (byVariable !== undefined) return { backend: byVariable, mounts: mountsOfVariable, profile: undefined }
  }
  const found = yield* profileOf(flags)
  if (found === undefined) return { backend: undefined, mounts: mountsOfVariable, profile: undefined }
  const { profile, source } = found
  const backend = yield* onlyOne(backendKinds.flatMap((kind): ReadonlyArray<Backend> => {
    const value = profile[kind]
    return value === undefined ? [] : [{ kind, value, source }]
  }))
  return {
    backend,
    mounts: [...mountsOfVariable, ...profile.mount.map((value): Setting<string> => ({ value, source }))],
    profile: found
  }
})

/** `EFFECT_PREFECT_MOUNT`: values of `--mount`, separated by `;` or line breaks. */
const mountVariable = Effect.map(
  variable("EFFECT_PREFECT_MOUNT"),
  Option.match({
    onNone: (): ReadonlyArray<Setting<string>> => [],
    onSome: (text) =>
      text.split(/[;\n]/).map((part) => part.trim()).filter((part) => part !== "")
        .map((value) => ({ value, source: "EFFECT_PREFECT_MOUNT" }))
  })
)

/** A backend's address without secrets: user names, passwords and query strings are removed. */
export const shown = (value: Redacted.Redacted): string => {
  const text = Redacted.value(value)
  if (!/^[a-z][a-z0-9+.-]*:\/\//i.test(text)) return text.includes("=") ? "(connection parameters)" : text
  try {
    const url = new URL(text)
    url.username = ""
    url.password = ""
    url.search = ""
    url.hash = ""
    return url.toString()
  } catch {
    return text.slice(0, text.indexOf("://") + 3) + "…"
  }
}
