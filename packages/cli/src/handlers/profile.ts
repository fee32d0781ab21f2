import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import { resolve } from "node:path"
import type * as Inputs from "../inputs/profile.ts"
import { style } from "../internal/colors.ts"
import { CommandFailed, UsageError } from "../internal/errors.ts"
import type { InputsOf } from "../internal/lazyHandler.ts"
import { Output } from "../internal/output.ts"
import * as Profiles from "../internal/profiles.ts"
import * as Render from "../internal/render.ts"
import * as Settings from "../internal/settings.ts"
import { nearest } from "../internal/suggest.ts"

/** A folder as an absolute path, because the profile is used in other working directories. */
const absolute = (mount: string): string => {
  const split = mount.indexOf("=")
  return split < 0 ? mount : `${mount.slice(0, split + 1)}${resolve(mount.slice(split + 1))}`
}

const hasPassword = (url: string): boolean => /^[^:/?#]+:\/\/[^/?#@:]*:[^/?#@]+@/.test(url)

export const set = Effect.fnUntraced(function*(flags: InputsOf<typeof Inputs.set>) {
  if (!/^[\w.-]+$/.test(flags.name)) {
    return yield* new UsageError({ message: "a profile's name has letters, digits, dots, dashes and underscores" })
  }
  const given = Settings.backendKinds.filter((kind) => Option.isSome(flags[kind] as Option.Option<unknown>))
  if (given.length > 1) {
    return yield* new UsageError({
      message: `give one backend, not ${given.map((kind) => `--${kind}`).join(" and ")}`
    })
  }
  if (given.length === 0 && flags.mount.length === 0) {
    return yield* new UsageError({
      message: "say what the profile uses: --archive DIR, --api URL, --database URL or --prefect3 URL, and --mount"
    })
  }
  const redacted = (value: Option.Option<string>) => Option.getOrUndefined(Option.map(value, Redacted.make))
  const database = Option.getOrUndefined(flags.database)
  const profile: Profiles.Profile = {
    archive: redacted(Option.map(flags.archive, (folder) => resolve(folder))),
    api: redacted(flags.api),
    database,
    prefect3: redacted(flags.prefect3),
    mount: flags.mount.map(absolute),
    s3Endpoint: Option.getOrUndefined(flags.s3Endpoint)
  }
  const file = yield* Settings.configFile
  const { active, profiles } = yield* Profiles.read(file)
  yield* Profiles.write(file, {
    active: active ?? flags.name,
    profiles: new Map([...profiles, [flags.name, profile]])
  })
  const { stderr, stdout } = yield* Output
  yield* stdout.write(
    active === undefined || active === flags.name
      ? `${flags.name} is in ${file} and is used wherever no backend is given\n`
      : `${flags.name} is in ${file}; use it with --profile ${flags.name}, or effect-prefect profile use ${flags.name}\n`
  )
  if (database !== undefined && hasPassword(Redacted.value(database))) {
    yield* stderr.write(
      `effect-prefect: warning: ${file} now holds the database's password; only you may read the file. ` +
        "PGPASSFILE and PGPASSWORD keep it out of there\n"
    )
  }
})

export const list = Effect.fnUntraced(function*(flags: InputsOf<typeof Inputs.list>) {
  const file = yield* Settings.configFile
  const { active, profiles } = yield* Profiles.read(file)
  const { stdout } = yield* Output
  const paint = style(stdout.colors)
  const rows = [...profiles].map(([name, profile]) => {
    const kind = Settings.backendKinds.find((kind) => profile[kind] !== undefined)
    return {
      name,
      isActive: name === active,
      backend: kind,
      value: kind === undefined ? undefined : Settings.shown(profile[kind]!),
      mounts: profile.mount
    }
  })
  if (flags.json) {
    const lines = rows.map(({ backend, isActive, mounts, name, value }) =>
      `${JSON.stringify({ name, active: isActive, backend: backend ?? null, value: value ?? null, mount: mounts })}\n`
    )
    return yield* stdout.write(lines.join(""))
  }
  if (rows.length === 0) return yield* stdout.write(`no profiles in ${file}; effect-prefect profile set makes one\n`)
  for (const { backend, isActive, mounts, name, value } of rows) {
    const what = backend === undefined ? "" : `--${backend} ${value}`
    const text = [what, ...mounts.map((mount) => `--mount ${mount}`)].filter((part) => part !== "").join(" ")
    yield* stdout.write(
      `${isActive ? "*" : " "} ${paint.bold(Render.stripControls(name))}  ${paint.dim(Render.stripControls(text))}\n`
    )
  }
})

const existing = Effect.fnUntraced(function*(name: string) {
  const file = yield* Settings.configFile
  const config = yield* Profiles.read(file)
  if (config.profiles.has(name)) return { file, config }
  const names = nearest(name, [...config.profiles.keys()])
  return yield* new CommandFailed({
    message: `there is no profile ${JSON.stringify(name)} in ${file}` +
      (names.length === 0 ? "" : `; there are ${names.join(", ")}`)
  })
})

export const use = Effect.fnUntraced(function*(flags: InputsOf<typeof Inputs.use>) {
  const { config, file } = yield* existing(flags.name)
  yield* Profiles.write(file, { ...config, active: flags.name })
  const { stdout } = yield* Output
  yield* stdout.write(`${flags.name} is used wherever no backend is given\n`)
})

export const remove = Effect.fnUntraced(function*(flags: InputsOf<typeof Inputs.remove>) {
  const { config, file } = yield* existing(flags.name)
  const profiles = new Map(config.profiles)
  profiles.delete(flags.name)
  yield* Profiles.write(file, { active: config.active === flags.name ? undefined : config.active, profiles })
  const { stdout } = yield* Output
  yield* stdout.write(
    config.active === flags.name
      ? `${flags.name} is gone, and no profile is in use\n`
      : `${flags.name} is gone\n`
  )
})
