/**
 * `doctor`: the settings that other commands would use, where each was configured, and whether it responds. Values that
 * may be secret (keys, passwords, query strings of URLs) are never printed.
 */
import { PrefectApi } from "@effect-prefect/api/PrefectApi"
import * as Mount from "@effect-prefect/results/Mount"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import { existsSync } from "node:fs"
import { createRequire } from "node:module"
import { join } from "node:path"
import type * as Inputs from "../inputs/doctor.ts"
import { style } from "../internal/colors.ts"
import { CommandFailed } from "../internal/errors.ts"
import type { InputsOf } from "../internal/lazyHandler.ts"
import { Output } from "../internal/output.ts"
import * as Profiles from "../internal/profiles.ts"
import * as Render from "../internal/render.ts"
import * as Settings from "../internal/settings.ts"
import * as Services from "../services.ts"

interface Finding {
  readonly what: string
  readonly value: string
  /** A flag, variable or file. */
  readonly source?: string | undefined
  /** undefined when there is nothing to judge. */
  readonly isFine?: boolean | undefined
}

const require = createRequire(import.meta.url)

/** A package's own version, found beside its entry point even if its exports hide package.json. */
const versionOf = (name: string): string | undefined => {
  for (const folder of require.resolve.paths(name) ?? []) {
    const file = join(folder, name, "package.json")
    if (existsSync(file)) return (require(file) as { readonly version?: string }).version
  }
  return undefined
}

const optional: ReadonlyArray<readonly [name: string, use: string]> = [
  ["@aws-sdk/client-s3", "results in S3"],
  ["@google-cloud/storage", "results in Google Cloud Storage"],
  ["@azure/storage-blob", "results in Azure Blob Storage"],
  ["@azure/identity", "Azure without an account key"],
  ["@effect/sql-pg", "--database"],
  ["@electric-sql/pglite", "serve --archive"],
  ["parquet-wasm", "Parquet"]
]

const probeLimit = "10 seconds"

/** Requests one flow run from the backend. */
const reach = (flags: InputsOf<typeof Inputs.doctor>) =>
  Effect.gen(function*() {
    const start = Date.now()
    const api = yield* PrefectApi
    const newest = yield* Stream.runHead(api.flowRuns({}, { pageSize: 1 }))
    return { name: api.backendName, isEmpty: newest._tag === "None", milliseconds: Date.now() - start }
  }).pipe(
    Effect.provide(Services.backend(flags)),
    Effect.timeoutOrElse({
      duration: probeLimit,
      orElse: () => Effect.fail(new CommandFailed({ message: `no answer within ${probeLimit}` }))
    }),
    Effect.exit
  )

const messageOf = (cause: Cause.Cause<unknown>): string => {
  const error = Cause.squash(cause)
  return error instanceof Error ? error.message : String(error)
}

const mountFinding = ({ source, value }: Settings.Setting<string>): Finding => {
  const parsed = Mount.parse(value)
  if (Result.isFailure(parsed)) return { what: "mount", value, source, isFine: false }
  const location = parsed.success
  if (location._tag === "Bucket") return { what: "mount", value: `${value} (read with your credentials)`, source }
  const folder = location._tag === "Mount" ? location.mount.to : location.root
  const isFine = existsSync(folder)
  return { what: "mount", value: isFine ? value : `${value}: there is no folder ${folder}`, source, isFine }
}

export const doctor = Effect.fnUntraced(function*(flags: InputsOf<typeof Inputs.doctor>) {
  const findings: Array<Finding> = [
    {
      what: "effect-prefect",
      value: versionOf("effect-prefect") ?? (require("../../package.json") as { version: string }).version
    },
    { what: "Node.js", value: process.version },
    { what: "effect", value: versionOf("effect") ?? "not found" }
  ]
  const file = yield* Settings.configFile
  const config = yield* Effect.result(Profiles.read(file))
  findings.push(
    Result.isFailure(config)
      ? { what: "configuration", value: config.failure.message, isFine: false }
      : {
        what: "configuration",
        value: existsSync(file)
          ? `${file} (${
            config.success.profiles.size === 1 ? "1 profile" : `${config.success.profiles.size} profiles`
          }` +
            `${config.success.active === undefined ? "" : `, ${config.success.active} in use`})`
          : `${file} (not there: effect-prefect profile set makes it)`
      }
  )
  const resolved = yield* Effect.result(Settings.resolve(flags))
  if (Result.isFailure(resolved)) {
    findings.push({ what: "backend", value: resolved.failure.message, isFine: false })
  } else {
    const { backend, mounts } = resolved.success
    const prefect = yield* Services.prefectConfiguration
    findings.push(
      backend === undefined
        ? prefect === undefined
          ? { what: "backend", value: "none is configured", isFine: false }
          : { what: "backend", value: `the one of Prefect ${prefect.prefect}'s own client`, source: prefect.source }
        : { what: "backend", value: `--${backend.kind} ${Settings.shown(backend.value)}`, source: backend.source }
    )
    const exit = backend === undefined && prefect === undefined ? undefined : yield* reach(flags)
    if (exit !== undefined) {
      findings.push(
        Exit.isSuccess(exit)
          ? {
            what: "answers",
            value: `${exit.value.name} answers in ${exit.value.milliseconds} ms` +
              `${exit.value.isEmpty ? " and has no flow runs" : ""}`,
            isFine: true
          }
          : { what: "answers", value: messageOf(exit.cause), isFine: false }
      )
    }
    const flagged = flags.mount.map((value): Settings.Setting<string> => ({ value, source: "--mount" }))
    for (const mount of [...flagged, ...mounts]) findings.push(mountFinding(mount))
  }
  for (const [name, use] of optional) {
    const version = versionOf(name)
    findings.push({ what: name, value: version === undefined ? `not installed (needed for ${use})` : version })
  }
  const { stdout } = yield* Output
  const wrong = findings.filter(({ isFine }) => isFine === false)
  if (flags.json) {
    yield* stdout.write(
      findings.map(({ isFine, source, value, what }) =>
        `${JSON.stringify({ what, value, source: source ?? null, ok: isFine ?? null })}\n`
      ).join("")
    )
  } else {
    const paint = style(stdout.colors)
    const width = findings.reduce((widest, { what }) => Math.max(widest, what.length), 0) + 2
    yield* stdout.write(
      findings.map(({ isFine, source, value, what }) => {
        const text = Render.stripControls(value)
        const from = source === undefined ? "" : paint.dim(`  (from ${Render.stripControls(source)})`)
        return `${paint.dim(what.padEnd(width))}${isFine === false ? paint.red(text) : text}${from}\n`
      }).join("")
    )
  }
  if (wrong.length > 0) {
    return yield* new CommandFailed({
      message: wrong.length === 1 ? `1 thing is wrong: ${wrong[0]!.what}` : `${wrong.length} things are wrong`
    })
  }
})
