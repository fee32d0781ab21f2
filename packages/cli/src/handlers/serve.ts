import { readText } from "@effect-prefect/api/Network"
import type { PrefectApiError } from "@effect-prefect/api/PrefectApiError"
import type { PrefectConfigError } from "@effect-prefect/api/PrefectConfigError"
import * as ArchiveFormat from "@effect-prefect/core/ArchiveFormat"
import type { Database as DatabaseService, DatabaseError } from "@effect-prefect/server/Database"
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import { stat } from "node:fs/promises"
import { join } from "node:path"
import type * as Inputs from "../inputs/serve.ts"
import { CommandFailed, UsageError } from "../internal/errors.ts"
import { requirePort } from "../internal/flagValues.ts"
import type { InputsOf } from "../internal/lazyHandler.ts"
import { Output } from "../internal/output.ts"
import { serveDatabase } from "../internal/serveDatabase.ts"
import { need } from "../internal/serverPackages.ts"

const variable = (name: string) => Effect.map(Config.option(Config.String(name)), Option.filter((text) => text !== ""))

/** More than any key has. */
const maxKeyBytes = 0x10000

/** The key from a flag or its file, otherwise from a variable or its file. */
const apiKeyOf = Effect.fnUntraced(function*(flags: InputsOf<typeof Inputs.serve>) {
  if (Option.isSome(flags.apiKey) && Option.isSome(flags.apiKeyFile)) {
    return yield* new UsageError({ message: "give one key: --api-key KEY or --api-key-file FILE" })
  }
  if (Option.isSome(flags.apiKey)) return flags.apiKey.value
  const name = "EFFECT_PREFECT_SERVE_API_KEY"
  const given = yield* variable(name)
  const isFlag = Option.isSome(flags.apiKeyFile)
  const file = isFlag ? flags.apiKeyFile : yield* variable(`${name}_FILE`)
  if (!isFlag && Option.isSome(given)) return Redacted.make(given.value)
  if (Option.isNone(file)) return undefined
  const source = isFlag ? "--api-key-file" : `${name}_FILE`
  const text = yield* Effect.tryPromise({
    try: (signal) => readText(file.value, { maxBytes: maxKeyBytes, signal }),
    catch: (error) =>
      new CommandFailed({
        message: `the file of ${source} cannot be read (${(error as NodeJS.ErrnoException).code ?? "unknown error"})`
      })
  })
  // Editors end a file with a line break.
  const key = text.replace(/\r?\n$/, "")
  if (key === "" || /[\s]/.test(key)) {
    return yield* new CommandFailed({ message: `the file of ${source} does not hold a key: one line without spaces` })
  }
  return Redacted.make(key)
})

/** An archive of Prefect 2 or 3 has no rows for the API of Prefect 1. */
const refusePrefect3 = Effect.fnUntraced(function*(directory: string) {
  const table = join(directory, ArchiveFormat.tableFile("prefect3_server"))
  const isThere = yield* Effect.promise(() => stat(table).then(() => true, () => false))
  if (!isThere) return
  return yield* new CommandFailed({
    message: `${directory} is an archive of Prefect 2 or 3, and serve answers as Prefect 1's API: read it with ` +
      `--archive in the other commands, or with effect-prefect ui --archive ${directory}`
  })
})

export const serve = Effect.fnUntraced(function*(flags: InputsOf<typeof Inputs.serve>) {
  yield* requirePort(flags.port)
  if (Option.isSome(flags.archive) === Option.isSome(flags.database)) {
    return yield* new UsageError({ message: "say what to serve: --archive DIR or --database URL" })
  }
  if (Option.isSome(flags.archive)) yield* refusePrefect3(flags.archive.value)
  yield* need("graphql", ...(Option.isSome(flags.archive) ? ["@electric-sql/pglite"] : []))
  const [{ serveArchive }, Server] = yield* Effect.promise(() =>
    Promise.all([import("../internal/serveArchive.ts"), import("@effect-prefect/server/Server")])
  )
  const database: Layer.Layer<DatabaseService, DatabaseError | PrefectApiError | PrefectConfigError> =
    Option.isSome(flags.archive)
      ? serveArchive(flags.archive.value)
      : serveDatabase({ url: Option.getOrThrow(flags.database) })
  const server = Server.layer({
    host: flags.host,
    port: flags.port,
    apiKey: yield* apiKeyOf(flags)
  }).pipe(Layer.provide(database))
  const { stdout } = yield* Output
  return yield* Effect.scoped(Effect.gen(function*() {
    const context = yield* Layer.build(server)
    const { url } = yield* Effect.provideContext(Server.Server, context)
    yield* stdout.write(`Prefect's GraphQL API, read-only, at ${url} (Ctrl-C ends it)\n`)
    return yield* Effect.never
  }))
}, Effect.provide(Logger.layer([Logger.withConsoleError(Logger.formatLogFmt)])))
