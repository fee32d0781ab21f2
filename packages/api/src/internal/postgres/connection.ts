import type * as PgClient from "@effect/sql-pg/PgClient"
import * as Config from "effect/Config"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import type { SqlClient } from "effect/sql/SqlClient"
import { isSqlError, type SqlError } from "effect/sql/SqlError"
import { homedir } from "node:os"
import { join } from "node:path"
import type { ConnectionOptions } from "node:tls"
import { MalformedResponse, PrefectApiError, type Reason, Unauthorized, Unavailable } from "../../PrefectApiError.ts"
import { PrefectConfigError } from "../../PrefectConfigError.ts"
import { type Address, addressText } from "../address.ts"
import { errorCode } from "../errorCode.ts"
import { readText } from "../node.ts"
import { durationOf, positiveInt } from "../settings.ts"
import { readPassword } from "./passwordFile.ts"
import * as Patience from "./patience.ts"

/** Connection options of a database. */
export interface ConnectionSettings {
  readonly url: Address
  readonly password?: Redacted.Redacted | undefined
  readonly statementTimeout?: Duration.Input | undefined
  readonly connectTimeout?: Duration.Input | undefined
  readonly maxConnections?: number | undefined
  readonly maxRowBytes?: number | undefined
  readonly retrySchedule?: Schedule.Schedule<unknown, Reason> | undefined
}

/** A client whose statements are read-only and limited in time. */
export interface Connection {
  readonly client: SqlClient
  /**
   * Runs statements in a read-only session. They are repeated after a lost connection, and where the database cancelled
   * them for something else; an error describes the problem without the statement.
   */
  readonly run: <A>(operation: string, statements: Effect.Effect<A, SqlError>) => Effect.Effect<A, PrefectApiError>
  /** The bytes that the largest row may have. */
  readonly maxRowBytes: number
  /** Runs statements in a read-only session, without retries, with the driver's own error. */
  readonly limited: <A>(statements: Effect.Effect<A, SqlError>) => Effect.Effect<A, SqlError>
  /** Runs one statement of a transaction of the caller, which ends in time though the database falls silent. */
  readonly within: <A>(statement: Effect.Effect<A, SqlError>) => Effect.Effect<A, SqlError>
  /** Runs a transaction whose begin and end are in time, too. */
  readonly around: <A, E, R>(
    transaction: (body: Effect.Effect<A, E, R>) => Effect.Effect<A, E | SqlError, R>,
    body: Effect.Effect<A, E, R>
  ) => Effect.Effect<A, E | SqlError, R>
  /** The settings of a session, for a transaction of the caller. */
  readonly settings: Readonly<Record<string, string>>
}

/** The problem with a row that is too large. */
export const rowTooLarge = "is larger than maxRowBytes: raise it, if there is memory for it"

const isSqlState = /^[0-9A-Z]{5}$/
const isSystemCode = /^(E|CERT|DEPTH|SELF|UNABLE)[A-Z_0-9]+$/
const isCertificateCode = /^(CERT|DEPTH|SELF|UNABLE|ERR_TLS)_/

const reasonOfSqlState = (sqlState: string): Reason => {
  switch (sqlState) {
    case "28P01":
    case "28000":
      return new Unauthorized({ detail: "the database rejected this user and password" })
    case "42501":
      return new Unauthorized({ detail: "the role may not read Prefect's tables; grant it SELECT on them" })
    case "3D000":
      return new Unavailable({ detail: "the server has no database of that name" })
    case "42P01":
    case "3F000":
      return new MalformedResponse({
        detail: "the database lacks a table of Prefect's in its schema public; " +
          "check that the URL names the database of a Prefect 1 server, not another one beside it"
      })
    case "42703":
      return new MalformedResponse({
        detail: "a table lacks a column that Prefect 1 has: check that it was restored in full"
      })
    case "42883":
    case "42804":
      return new MalformedResponse({
        detail:
          "a column has another type than Prefect 1 gives it: check that the tables were restored with their types"
      })
    case "57014":
      return new Unavailable({
        detail: "a statement took longer than the time limit: check that the indexes of the dump were restored"
      })
    case "53300":
      return new Unavailable({ detail: "the database has no free connection: use fewer connections at once" })
    case "57P01":
    case "57P02":
    case "57P03":
      return new Unavailable({ detail: "the database is shutting down or starting up" })
    case "40001":
      return new Unavailable({
        detail:
          "the database cancelled a statement, as a replica does with one that is in the way of changes that it " +
          "has to apply: read the primary, or raise max_standby_streaming_delay"
      })
    default:
      return sqlState.startsWith("42") || sqlState.startsWith("22")
        ? new MalformedResponse({ detail: `the database rejected a statement (SQLSTATE ${sqlState})` })
        : new Unavailable({ detail: `the database failed (SQLSTATE ${sqlState})` })
  }
}

/**
 * What a statement that only reads can be repeated after: a replica cancelled it for a change, it was the one that gave way,
 * or the session could not begin or was ended.
 */
const passing: ReadonlySet<string> = new Set(["40001", "40P01", "53300", "57P01", "57P02", "57P03", "57P05"])

/** Whether a statement may succeed when it is repeated. */
const isPassing = (error: SqlError): boolean => {
  const sqlState = errorCode(error, isSqlState)
  return error.reason._tag === "ConnectionError" || sqlState !== undefined && passing.has(sqlState)
}

/** The reason for a driver's error. Its own message is omitted, because it may quote a value or the URL. */
export const reasonOf = (error: SqlError): Reason => {
  const sqlState = errorCode(error, isSqlState)
  if (sqlState !== undefined) return reasonOfSqlState(sqlState)
  const { _tag, message } = error.reason
  if (_tag === "AuthenticationError") {
    return new Unauthorized({
      detail: /no password/i.test(message ?? "")
        ? "the database requires a password: set it in the environment variable PGPASSWORD, the file ~/.pgpass, or the URL"
        : "the database rejected this user and password"
    })
  }
  if (_tag !== "ConnectionError") return new Unavailable({ detail: "the database driver failed" })
  const { cause } = error.reason
  if (cause instanceof Error && cause.message.includes("exceeds maxMessageSize")) {
    return new MalformedResponse({ detail: `a row ${rowTooLarge}` })
  }
  if (/refused TLS|does not support TLS/i.test(message ?? "")) {
    return new Unavailable({ detail: "the database does not offer TLS, which the URL's sslmode requires" })
  }
  if (/timed out/i.test(message ?? "")) return new Unavailable({ detail: "the database did not respond in time" })
  if (/URL|username/.test(message ?? "")) {
    return new Unavailable({ detail: "the database's URL is not postgresql://USER:PASSWORD@HOST:PORT/DATABASE" })
  }
  const code = errorCode(error, isSystemCode)
  if (code !== undefined && isCertificateCode.test(code)) {
    return new Unavailable({
      detail:
        `the database's certificate is not trusted (${code}); for a private authority name it by the URL's sslrootcert`
    })
  }
  return new Unavailable({ detail: `the database cannot be reached${code === undefined ? "" : ` (${code})`}` })
}

const toApiError = (operation: string) => (error: SqlError) =>
  new PrefectApiError({ operation, reason: reasonOf(error) })

/** The largest `statement_timeout` that a database takes, in milliseconds. */
const longestTimeout = 2 ** 31 - 1

const usualConnectTimeout = Duration.seconds(10)

/** The time that an answer may be on its way, after the database's own limit. */
const onTheWay = Duration.seconds(5)

/** The URL's own time limit for a connection; the driver refuses one that is no number of seconds. */
const connectTimeoutOf = (url: URL): Duration.Duration => {
  const seconds = Number(url.searchParams.get("connect_timeout") ?? Number.NaN)
  return seconds > 0 ? Duration.seconds(seconds) : usualConnectTimeout
}

/** Whether each part of a URL stands for a text: `%` begins two digits, which are those of UTF-8. */
const isDecodable = ({ hostname, password, pathname, username }: URL): boolean => {
  try {
    return [hostname, password, pathname, username].every((part) => decodeURIComponent(part) !== undefined)
  } catch {
    return false
  }
}

const configError = (detail: string) => new PrefectConfigError({ source: "the database's URL", detail })

const modes = new Set(["disable", "allow", "prefer", "require", "verify-ca", "verify-full"])
const optionalConfig = (name: string) => Config.String(name).pipe(Config.option, Config.map(Option.getOrUndefined))

const fileOf = (path: string, what: string) =>
  Effect.tryPromise({
    try: (signal) => readText(path, { signal }),
    catch: (error) => configError(`${what} ${path} cannot be read (${errorCode(error) ?? "unknown error"})`)
  })
/** A file that libpq uses from the user's home folder when it exists. One that cannot be read is not left out. */
const homeFile = (name: string) => {
  const path = join(homedir(), ".postgresql", name)
  return Effect.tryPromise({
    try: (signal) =>
      readText(path, { signal }).catch((error: unknown) => {
        if (["ENOENT", "ENOTDIR"].includes(errorCode(error) ?? "")) return undefined
        throw error
      }),
    catch: (error) => configError(`${path} cannot be read (${errorCode(error) ?? "unknown error"})`)
  })
}

/** The parameters of a URL that libpq's variables fill in, and the part of the URL with the same meaning. */
const filledIn = [
  ["PGHOST", "host", "hostname"],
  ["PGPORT", "port", "port"],
  ["PGUSER", "user", "username"],
  ["PGDATABASE", "dbname", "pathname"],
  ["PGCONNECT_TIMEOUT", "connect_timeout", undefined],
  ["PGAPPNAME", "application_name", undefined],
  ["PGSSLCERT", "sslcert", undefined],
  ["PGSSLKEY", "sslkey", undefined]
] as const

/** The URL with libpq's variables for what it leaves out. */
const withVariables = Effect.fnUntraced(function*(given: URL, isHostless: boolean) {
  const url = new URL(given)
  for (const [name, parameter, part] of filledIn) {
    const isGiven = url.searchParams.has(parameter) ||
      part !== undefined && !["", "/"].includes(given[part]) && !(isHostless && part === "hostname")
    const value = isGiven ? undefined : yield* optionalConfig(name)
    if (value !== undefined && value !== "") url.searchParams.set(parameter, value)
  }
  return url
})

/**
 * The TLS settings to try, in order, as libpq derives them from the URL and `PGSSLMODE`: `prefer` (the default) and
 * `allow` use TLS when the server offers it, `require` insists, `verify-ca` also verifies the certificate and
 * `verify-full` the host name. `require` with a root certificate verifies it, as in libpq.
 */
const tlsOf = Effect.fnUntraced(function*(url: URL) {
  const host = url.searchParams.get("host") ?? decodeURIComponent(url.hostname)
  if (host.startsWith("/")) return [false] as const
  const mode = url.searchParams.get("sslmode") ?? (yield* optionalConfig("PGSSLMODE")) ?? "prefer"
  if (!modes.has(mode)) return yield* configError(`sslmode is none of ${[...modes].join(", ")}`)
  if (mode === "disable") return [false] as const
  const rootPath = url.searchParams.get("sslrootcert") ?? (yield* optionalConfig("PGSSLROOTCERT"))
  const root = rootPath === "system"
    ? undefined
    : rootPath === undefined
    ? yield* homeFile("root.crt")
    : yield* fileOf(rootPath, "sslrootcert")
  const certificatePath = url.searchParams.get("sslcert")
  const keyPath = url.searchParams.get("sslkey")
  const certificate = certificatePath === null
    ? yield* homeFile("postgresql.crt")
    : yield* fileOf(certificatePath, "sslcert")
  const key = keyPath === null ? yield* homeFile("postgresql.key") : yield* fileOf(keyPath, "sslkey")
  if ((certificatePath !== null || keyPath !== null) && (certificate === undefined || key === undefined)) {
    return yield* configError(
      key === undefined
        ? "sslcert goes with its key: give sslkey too"
        : "sslkey goes with its certificate: give sslcert too"
    )
  }
  const isChecked = mode.startsWith("verify") || (mode === "require" && root !== undefined)
  const tls: ConnectionOptions = {
    rejectUnauthorized: isChecked,
    ...(root === undefined ? {} : { ca: root }),
    ...(certificate === undefined || key === undefined ? {} : { cert: certificate, key }),
    ...(mode === "verify-full" || rootPath === "system" ? {} : { checkServerIdentity: () => undefined })
  }
  return mode === "prefer" || mode === "allow" ? [tls, false] as const : [tls] as const
})

/** The password for a URL without one, from the places that libpq uses: `PGPASSWORD`, then the password file. */
const passwordOf = Effect.fnUntraced(function*(url: URL) {
  const password = yield* Effect.orElseSucceed(Config.Redacted("PGPASSWORD"), () => undefined)
  if (password !== undefined) return password
  const path = yield* Effect.orElseSucceed(optionalConfig("PGPASSFILE"), () => undefined)
  const of = (parameter: string, part: string, other: string) =>
    url.searchParams.get(parameter) ?? (part === "" ? other : decodeURIComponent(part))
  const user = of("user", url.username, process.env["USER"] ?? process.env["USERNAME"] ?? "")
  const host = of("host", url.hostname.replace(/^\[|\]$/g, ""), "localhost")
  const { password: found, problem } = yield* Effect.promise((signal) =>
    readPassword(path, {
      // The password file names a local socket this way.
      host: host.startsWith("/") ? "localhost" : host,
      port: of("port", url.port, "5432"),
      database: of("dbname", url.pathname.replace(/^\//, ""), user),
      user
    }, signal)
  )
  if (problem !== undefined) yield* Effect.logWarning(problem)
  return found === undefined ? undefined : Redacted.make(found)
})

/** For `import(…).catch(rethrow)`: bundlers treat a caught import as one whose package may be missing. */
const rethrow = (error: unknown): never => {
  throw error
}

/**
 * Connects for the lifetime of the scope.
 *
 * Sessions are made read-only at their start. A connection pooler may not pass such settings on; then each request is a
 * transaction that begins with them.
 */
export const connect = Effect.fnUntraced(function*(
  options: ConnectionSettings
): Effect.fn.Return<Connection, PrefectApiError | PrefectConfigError, Scope.Scope> {
  const [Client, Reactivity] = yield* Effect.tryPromise({
    try: () => Promise.all([import("@effect/sql-pg/PgClient").catch(rethrow), import("effect/reactivity/Reactivity")]),
    catch: () =>
      new PrefectConfigError({
        source: "the Postgres backend",
        detail: "it needs the package @effect/sql-pg; install it beside @effect-prefect/api"
      })
  })
  const text = addressText(options.url)
  // libpq accepts a user without a host when the parameters name a socket's folder; a URL needs a host.
  const hostless = /^(postgres(?:ql)?:\/\/[^/?#@]*@)(?=[/?#]|$)/
  const complete = text.replace(hostless, "$1localhost")
  const given = URL.canParse(complete) ? new URL(complete) : undefined
  if (
    given === undefined || (given.protocol !== "postgres:" && given.protocol !== "postgresql:") || !isDecodable(given)
  ) {
    return yield* configError("it is not postgresql://USER:PASSWORD@HOST:PORT/DATABASE")
  }
  const url = yield* Effect.mapError(
    withVariables(given, hostless.test(text)),
    () => configError("a variable of libpq, such as PGPORT, is not a text")
  )
  const candidates = yield* Effect.catchTag(
    tlsOf(url),
    "ConfigError",
    () => Effect.fail(configError("PGSSLMODE or PGSSLROOTCERT is not a text"))
  )
  const password = options.password ??
    (url.password !== "" || url.searchParams.has("password") ? undefined : yield* passwordOf(url))
  const statementTimeout = yield* durationOf("statementTimeout", options.statementTimeout ?? "30 seconds")
  const connectTimeout = options.connectTimeout === undefined
    ? undefined
    : yield* durationOf("connectTimeout", options.connectTimeout)
  const milliseconds = Duration.toMillis(statementTimeout)
  const settings = {
    default_transaction_read_only: "on",
    statement_timeout: Number.isFinite(milliseconds)
      ? String(Math.min(longestTimeout, Math.max(1, Math.ceil(milliseconds))))
      : "0",
    timezone: "UTC"
  }
  const maxConnections = yield* positiveInt("maxConnections", options.maxConnections ?? 10)
  const maxRowBytes = options.maxRowBytes ?? 256 * 1024 * 1024
  if (!(maxRowBytes > 0)) {
    return yield* new PrefectConfigError({ source: "maxRowBytes", detail: "it is not a positive number" })
  }
  const { around, within } = Patience.make(
    maxConnections,
    Duration.sum(Duration.sum(statementTimeout, connectTimeout ?? connectTimeoutOf(url)), onTheWay)
  )
  const base: PgClient.PgPoolConfig = {
    url: Redacted.make(url.href),
    maxConnections,
    // A peer that is gone without a word is known sooner.
    keepAlive: "30 seconds",
    applicationName: url.searchParams.get("application_name") ?? "effect-prefect",
    maxMessageSize: maxRowBytes,
    ...(password === undefined ? {} : { password }),
    ...(connectTimeout !== undefined
      ? { connectTimeout }
      : url.searchParams.has("connect_timeout")
      ? {}
      : { connectTimeout: usualConnectTimeout })
  }
  const pools = yield* Patience.scope
  const open = (config: PgClient.PgPoolConfig) =>
    Effect.gen(function*() {
      const client = yield* Client.make(config).pipe(
        Effect.provideServiceEffect(Reactivity.Reactivity, Reactivity.make),
        Effect.provideService(Scope.Scope, pools)
      )
      const [found] = yield* within(client.unsafe<{ readonly read_only: string; readonly timeout: string }>(
        `select current_setting('default_transaction_read_only') as read_only,
                (select setting from pg_catalog.pg_settings where name = 'statement_timeout') as timeout`
      ))
      const isSet = found?.read_only === "on" && found.timeout === settings.statement_timeout
      return { client, isSet }
    })
  const openWith = (ssl: boolean | ConnectionOptions) =>
    Effect.catchIf(
      open({ ...base, ssl, startupParameters: settings }),
      // The response of poolers to a setting that they cannot pass on; they cannot keep prepared statements either.
      (error) => errorCode(error, isSqlState) === "08P01" || /unsupported startup parameter/i.test(error.message),
      () => open({ ...base, ssl, prepare: false })
    )
  const [first, second] = candidates
  const { client, isSet } = yield* (second === undefined ? openWith(first) : Effect.catchIf(
    openWith(first),
    (error) => error.reason._tag === "ConnectionError" && /refused TLS|does not support TLS/i.test(error.message),
    () => openWith(second)
  )).pipe(Effect.mapError(toApiError("connect")))
  const limited = <A>(statements: Effect.Effect<A, SqlError>): Effect.Effect<A, SqlError> =>
    Effect.catchDefect(
      within(
        isSet ? statements : client.withTransaction(Effect.andThen(
          client`select set_config('transaction_read_only', 'on', true),
        set_config('statement_timeout', ${settings.statement_timeout}, true), set_config('timezone', 'UTC', true)`,
          statements
        ))
      ),
      // An answer that the driver refuses to read, such as a row that is too large, reaches its caller as a defect.
      (defect) => isSqlError(defect) ? Effect.fail(defect) : Effect.die(defect)
    )
  /** The reasons after which a statement is repeated. */
  const repeated = new WeakSet<Reason>()
  const retries = options.retrySchedule ??
    Schedule.exponential("100 millis").pipe(Schedule.jittered, Schedule.upTo({ times: 3 }))
  return {
    client,
    limited,
    within,
    around,
    settings,
    maxRowBytes,
    run: <A>(operation: string, statements: Effect.Effect<A, SqlError>) =>
      Effect.suspend(() => {
        // A span records the value of its effect, which is stored data here: so it is kept outside.
        let rows: { readonly value: A } | undefined
        const traced = Effect.withSpan(
          limited(statements).pipe(
            Effect.mapError((error) => {
              const reason = reasonOf(error)
              const isWorthIt = isPassing(error) && reason._tag !== "MalformedResponse"
              if (isWorthIt && !Patience.isGivenUp(error)) repeated.add(reason)
              return reason
            }),
            Effect.retry({ schedule: retries, while: (reason) => repeated.has(reason) }),
            Effect.mapError((reason) => new PrefectApiError({ operation, reason })),
            Effect.map((value) => {
              rows = { value }
            })
          ),
          `PrefectApi.${operation}`,
          { kind: "client", attributes: { "db.system.name": "postgresql" } }
        )
        return Effect.map(traced, () => rows!.value)
      })
  }
})
