import * as PostgresApi from "@effect-prefect/api/PostgresApi"
import * as PrefectApi from "@effect-prefect/api/PrefectApi"
import type { PrefectApiError } from "@effect-prefect/api/PrefectApiError"
import type { PrefectConfigError } from "@effect-prefect/api/PrefectConfigError"
import { RowProblem } from "@effect-prefect/api/RowProblem"
import { suite } from "@effect-prefect/api/testing"
import { assert, describe, it } from "@effect/vitest"
import * as Config from "effect/Config"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import { once } from "node:events"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { connect, createServer, type Socket } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { startPglite } from "./pglite.ts"

// PGlite is one session, which several connections would share statement by statement.
const maxConnections = 1

describe("on PGlite", () => {
  suite("PostgresApi", (tables) =>
    Layer.unwrap(
      Effect.map(startPglite(tables), ({ url }) => PostgresApi.layer({ url: Redacted.make(url), maxConnections }))
    ))

  it.live(
    "says which tables it expects where there are none, and is told by the configuration where to look",
    () =>
      Effect.gen(function*() {
        const { database, url } = yield* startPglite({})
        const services = yield* Layer.build(
          PostgresApi.layerConfig({ url: Config.Redacted("DATABASE_URL"), maxConnections: Config.succeed(1) }).pipe(
            Layer.provide(ConfigProvider.layer(ConfigProvider.fromUnknown({ DATABASE_URL: url })))
          )
        )
        const api = Context.get(services, PrefectApi.PrefectApi)
        assert.deepStrictEqual(yield* Stream.runCollect(api.flowRuns()), [])
        yield* Effect.promise(() => database.exec("drop table public.flow_run"))
        const error = yield* Effect.flip(Stream.runCollect(api.flowRuns()))
        assert.strictEqual(error.reason._tag, "MalformedResponse")
        assert.include(error.message, "Prefect 1")
        // Postgres itself refuses to write, whatever a statement does.
        yield* Effect.promise(() =>
          database.exec(`create table sneaked (n int);
          create function sneak() returns int language sql volatile as 'insert into sneaked values (1) returning n';
          create view public.flow_run as select sneak() as n, null::uuid as id, now() as created, 'x'::text as name`)
        )
        assert.include((yield* Effect.flip(Stream.runCollect(api.flowRuns()))).message, "25006")
        const { rows } = yield* Effect.promise(() => database.query("select * from sneaked"))
        assert.deepStrictEqual(rows, [])
      })
  )

  it.live("tells of a row that is too large, and of a session that ends within an answer", () =>
    Effect.gen(function*() {
      const id = "00000000-0000-4000-8000-000000000001"
      const other = "00000000-0000-4000-8000-000000000002"
      const { database, url } = yield* startPglite({
        flow: [{ id, name: "large" }, { id: other, name: "small" }],
        flow_run: [{ id, flow_id: id }]
      })
      yield* Effect.promise(() =>
        database.query(
          "update public.flow set serialized_flow = jsonb_build_object('text', repeat('x', 3000000)) where name = 'large'"
        )
      )
      const { hostname, port } = new URL(url)
      let most = Infinity
      let sessions = 0
      const proxy = yield* Effect.acquireRelease(
        Effect.promise(async () => {
          const proxy = createServer((socket) => {
            sessions++
            const behind = connect(Number(port), hostname)
            for (const one of [socket, behind]) one.on("error", () => {})
            socket.on("close", () => behind.destroy())
            behind.on("close", () => socket.destroy())
            socket.pipe(behind)
            let sent = 0
            behind.on("data", (part: Buffer) => {
              sent += part.length
              if (sent > most) socket.destroy()
              else socket.write(part)
            })
          }).listen(0, "127.0.0.1")
          await once(proxy, "listening")
          return proxy
        }),
        (proxy) => Effect.sync(() => proxy.close())
      )
      const address = proxy.address() as { readonly port: number }
      const services = yield* Layer.build(PostgresApi.layer({
        url: Redacted.make(`postgresql://postgres@127.0.0.1:${address.port}/postgres?sslmode=disable`),
        maxConnections,
        maxRowBytes: 1_000_000,
        retrySchedule: Schedule.recurs(1)
      }))
      const api = Context.get(services, PrefectApi.PrefectApi)
      const tooLarge = yield* Effect.flip(api.flow(id))
      assert.strictEqual(tooLarge.reason._tag, "MalformedResponse")
      assert.include(tooLarge.message, "maxRowBytes")
      // In a listing the row alone is a problem.
      const said: Array<unknown> = []
      const logger = Logger.make(({ message }) => void said.push(...(Array.isArray(message) ? message : [message])))
      const flows = yield* Effect.provide(Stream.runCollect(api.flows({ pageSize: 1 })), Logger.layer([logger]))
      assert.deepStrictEqual(flows.map(({ name }) => name), ["small"])
      const [problem] = said.filter((each) => each instanceof RowProblem)
      assert.strictEqual(problem?.id, id)
      assert.include(problem?.detail, "maxRowBytes")
      // The next connection serves the others.
      assert.strictEqual((yield* api.flowRun(id)).flowRunId, id)
      yield* Effect.promise(() =>
        database.query("update public.flow set serialized_flow = jsonb_build_object('text', repeat('x', 500000))")
      )
      most = 100_000
      const before = sessions
      const error = yield* Effect.flip(api.flow(id))
      assert.strictEqual(error.reason._tag, "Unavailable")
      assert.isAtLeast(sessions, before + 1)
      most = Infinity
      assert.strictEqual((yield* api.flow(id)).flowId, id)
    }))
})

describe("rows that Prefect's columns cannot have, and times that they can", () => {
  it.live("are problems of their own among others, page by page", () =>
    Effect.gen(function*() {
      const uuid = (kind: number, at: number) => `0000000${kind}-0000-4000-8000-00000000000${at}`
      const flowRunId = uuid(1, 1)
      const run = (at: number, taskId: string | null, mapIndex: number) => ({
        id: uuid(3, at),
        flow_run_id: flowRunId,
        task_id: taskId,
        map_index: mapIndex
      })
      const { database, url } = yield* startPglite({
        task_run: [
          run(1, uuid(2, 1), 0),
          run(2, uuid(2, 1), 1),
          run(3, uuid(2, 1), 2),
          run(4, uuid(2, 2), -1),
          run(5, null, -1),
          run(6, null, -1)
        ],
        flow_run: [1, 2, 3, 4, 5, 6].map((at) => ({ id: uuid(1, at), name: `run ${at}` })),
        log: [1, 2, 3, 4].map((at) => ({ id: uuid(4, at), flow_run_id: flowRunId, message: `line ${at}` }))
      })
      const times = ["'infinity'", "'-infinity'", "'0044-03-15 BC'", "'294276-12-31 23:59:59.999999'", "null", "now()"]
      yield* Effect.promise(() =>
        database.exec(`
          alter table public.task_run alter column map_index drop not null;
          update public.task_run set map_index = null where id in ('${uuid(3, 2)}', '${uuid(3, 5)}');
          ${
          times.map((time, at) =>
            `update public.flow_run set created = ${time}, start_time = ${time} where id = '${uuid(1, at + 1)}';`
          ).join("\n")
        }
          ${
          times.slice(0, 4).map((time, at) =>
            `update public.log set timestamp = ${time} where id = '${uuid(4, at + 1)}';`
          ).join("\n")
        }`)
      )
      const api = Context.get(
        yield* Layer.build(PostgresApi.layer({ url: Redacted.make(url), maxConnections })),
        PrefectApi.PrefectApi
      )
      for (const pageSize of [1, 2, 3, 100]) {
        const said: Array<RowProblem> = []
        const logger = Logger.make(({ message }) => {
          for (const each of Array.isArray(message) ? message : [message]) {
            if (each instanceof RowProblem) said.push(each)
          }
        })
        const runs = yield* Effect.provide(
          Stream.runCollect(api.taskRuns({ flowRunId }, { pageSize })),
          Logger.layer([logger])
        )
        assert.deepStrictEqual(
          runs.map(({ taskRunId }): string => taskRunId).sort(),
          [1, 3, 4, 6].map((at) => uuid(3, at))
        )
        assert.deepStrictEqual(said.map(({ id }) => id).sort(), [uuid(3, 2), uuid(3, 5)])
        const named = yield* Stream.runCollect(api.flowRuns({}, { pageSize }))
        assert.deepStrictEqual(named.map(({ name }) => name), ["run 1", "run 4", "run 6", "run 3", "run 5", "run 2"])
        const lines = yield* Stream.runCollect(api.logs({ flowRunId }, { pageSize }))
        assert.deepStrictEqual(lines.map(({ message }) => message), ["line 2", "line 3", "line 4", "line 1"])
      }
    }))
})

describe("a database that cancels a statement", () => {
  /** ErrorResponse of a statement, and ReadyForQuery. */
  const cancelled = (code: string) =>
    Buffer.concat([errorResponse(code, "ERROR"), Buffer.from([0x5a, 0, 0, 0, 5, 0x49])])

  /** What a flow run's lookup ends with where the first statements after the connection end with these SQLSTATEs. */
  const ended = Effect.fnUntraced(function*(url: string, codes: Array<string>) {
    const { hostname, port } = new URL(url)
    let left: Array<string> = []
    const proxied = yield* server((socket, message) => {
      const behind = behinds.get(socket) ?? connect(Number(port), hostname)
      if (!behinds.has(socket)) {
        behinds.set(socket, behind)
        behind.on("error", () => {}).on("data", (part) => socket.write(part))
        socket.on("close", () => behind.destroy())
      }
      const code = left.shift()
      if (code === undefined) behind.write(message)
      else if (code.startsWith("57P0")) socket.end(errorResponse(code))
      else socket.write(cancelled(code))
    })
    const behinds = new WeakMap<Socket, Socket>()
    const services = yield* Layer.build(PostgresApi.layer({
      url: Redacted.make(proxied.replace(/reader.*@/, "postgres@").replace(/\/prefect$/, "/postgres?sslmode=disable")),
      maxConnections,
      retrySchedule: Schedule.recurs(2)
    }))
    left = codes
    return yield* Effect.exit(Context.get(services, PrefectApi.PrefectApi).flowRun(id))
  })
  const id = "00000000-0000-4000-8000-000000000001"

  it.live("for a change of its primary, a restart or too many others is asked again", () =>
    Effect.gen(function*() {
      const { url } = yield* startPglite({ flow: [{ id, name: "flow" }], flow_run: [{ id, flow_id: id }] })
      for (const code of ["40001", "40P01", "53300", "57P01"]) {
        assert.strictEqual((yield* Effect.scoped(ended(url, [code, code])))._tag, "Success", code)
      }
      const conflict = yield* Effect.scoped(ended(url, ["40001", "40001", "40001"]))
      assert.include(String(conflict), "read the primary")
      // Not those that would end the same way again.
      assert.strictEqual((yield* Effect.scoped(ended(url, ["57014"])))._tag, "Failure")
    }))
})

const password = "correct horse"
const failureOf = (url: string, options: Partial<PostgresApi.Options> = {}) =>
  Effect.map(
    Effect.flip(Effect.scoped(Effect.asVoid(
      PostgresApi.make({ url: Redacted.make(url), connectTimeout: "2 seconds", ...options })
    ))),
    (error) => {
      for (const text of [error.message, String(error), JSON.stringify(error)]) {
        assert.notInclude(text, password)
        assert.notInclude(text, encodeURIComponent(password))
      }
      return error
    }
  )
const tagOf = (error: PrefectApiError | PrefectConfigError) =>
  error._tag === "PrefectApiError" ? error.reason._tag : error._tag

/** A server that answers each connection's first message as `answer` says. */
const server = (answer: (socket: Socket, message: Buffer) => void) =>
  Effect.map(
    Effect.acquireRelease(
      Effect.promise(async () => {
        const server = createServer((socket) => {
          socket.on("error", () => {})
          socket.on("data", (message: Buffer) => answer(socket, message))
        }).listen(0, "127.0.0.1")
        await once(server, "listening")
        return server
      }),
      (server) => Effect.sync(() => server.close())
    ),
    (server) => {
      const address = server.address()
      if (address === null || typeof address === "string") throw new Error("no TCP address")
      return `postgresql://reader:${encodeURIComponent(password)}@127.0.0.1:${address.port}/prefect`
    }
  )

/** Postgres' ErrorResponse. */
const errorResponse = (code: string, severity = "FATAL") => {
  const fields = Buffer.from(`S${severity}\0C${code}\0Mit quotes "${password}"\0\0`)
  const head = Buffer.from([0x45, 0, 0, 0, 0])
  head.writeInt32BE(fields.length + 4, 1)
  return Buffer.concat([head, fields])
}
const isSslRequest = (message: Buffer) => message.length === 8 && message.readInt32BE(4) === 80877103
/** Takes no TLS, and refuses every session with an SQLSTATE. */
const refusing = (code: string) =>
  server((socket, message) => {
    if (isSslRequest(message)) socket.write("N")
    else socket.end(errorResponse(code))
  })

describe("what can go wrong with a database", () => {
  it.live("is told by a reason, and never with the password", () =>
    Effect.gen(function*() {
      const reasons = {
        "28P01": "Unauthorized",
        "28000": "Unauthorized",
        "3D000": "Unavailable",
        "53300": "Unavailable",
        "57P03": "Unavailable",
        XX000: "Unavailable"
      }
      for (const [code, reason] of Object.entries(reasons)) {
        assert.strictEqual(tagOf(yield* failureOf(yield* refusing(code))), reason, code)
      }
    }))

  it.live("is Unavailable when nobody listens, or nobody answers", () =>
    Effect.gen(function*() {
      const refused = yield* failureOf(`postgresql://reader:${encodeURIComponent(password)}@127.0.0.1:1/prefect`)
      assert.strictEqual(tagOf(refused), "Unavailable")
      assert.include(refused.message, "ECONNREFUSED")
      const mute = yield* failureOf(yield* server(() => {}), { connectTimeout: "50 millis" })
      assert.strictEqual(tagOf(mute), "Unavailable")
      const nonsense = yield* failureOf(yield* server((socket) => socket.end("HTTP/1.1 400 Bad Request\r\n\r\n")))
      assert.strictEqual(tagOf(nonsense), "Unavailable")
    }))

  it.live("is a PrefectConfigError when the URL is none, or asks for what is not there", () =>
    Effect.gen(function*() {
      const secret = encodeURIComponent(password)
      for (
        const url of [
          "",
          secret,
          `mysql://reader:${secret}@localhost/prefect`,
          `postgresql://reader:${secret}@local host/prefect`,
          `postgresql://reader:${secret}@localhost/prefect?sslmode=always`,
          `postgresql://reader:${secret}@local%zzhost/prefect`,
          `postgresql://read%zzer@localhost/prefect`,
          `postgresql://reader:${secret}%zz@localhost/prefect`,
          `postgresql://reader:${secret}@localhost/pre%fffect`,
          `postgresql://reader:${secret}@localhost/prefect?sslmode=verify-full&sslrootcert=/nowhere/root.crt`
        ]
      ) assert.strictEqual(tagOf(yield* failureOf(url)), "PrefectConfigError", url)
    }))

  it.live("is a PrefectConfigError that names the option which is no number or no duration", () =>
    Effect.gen(function*() {
      const nonsense = "nonsense" as "1 second"
      for (
        const [name, options] of Object.entries({
          statementTimeout: { statementTimeout: nonsense },
          connectTimeout: { connectTimeout: nonsense },
          maxConnections: { maxConnections: 0 },
          maxRowBytes: { maxRowBytes: Number.NaN }
        })
      ) {
        const error = yield* failureOf("postgresql://reader@127.0.0.1:1/prefect", options)
        assert.deepInclude(error, { _tag: "PrefectConfigError", source: name })
      }
    }))

  it.live("is a limit that no database takes: the longest one that it takes is set", () =>
    Effect.gen(function*() {
      const sent: Array<string> = []
      const url = yield* server((socket, message) => {
        if (isSslRequest(message)) return socket.write("N")
        sent.push(message.toString("latin1"))
        socket.end(errorResponse("57P03"))
      })
      yield* failureOf(url, { statementTimeout: "60 days" })
      assert.include(sent[0], "statement_timeout\u00002147483647\u0000")
    }))
})

describe("sslmode", () => {
  /** What a server without TLS is asked for in each mode, up to the answer that ends it. */
  const asked = Effect.fnUntraced(function*(parameters: string) {
    const messages: Array<"TLS" | "session"> = []
    const url = yield* server((socket, message) => {
      messages.push(isSslRequest(message) ? "TLS" : "session")
      if (isSslRequest(message)) socket.write("N")
      else socket.end(errorResponse("28P01"))
    })
    const error = yield* failureOf(url + parameters)
    return { messages, error }
  })

  it.live("disable never asks for TLS", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual((yield* asked("?sslmode=disable")).messages, ["session"])
    }))

  it.live("prefer, allow and no mode at all go on without it", () =>
    Effect.gen(function*() {
      for (const parameters of ["?sslmode=prefer", "?sslmode=allow", ""]) {
        assert.deepStrictEqual((yield* asked(parameters)).messages, ["TLS", "session"], parameters)
      }
    }))

  it.live("require, verify-ca and verify-full send nothing without it", () =>
    Effect.gen(function*() {
      for (const mode of ["require", "verify-ca", "verify-full"]) {
        const { error, messages } = yield* asked(`?sslmode=${mode}`)
        assert.notInclude(messages, "session")
        assert.strictEqual(tagOf(error), "Unavailable")
        assert.include(error.message, "TLS")
      }
    }))
})

describe("a pooler that takes no settings", () => {
  it.live("is asked again without them", () =>
    Effect.gen(function*() {
      const sessions: Array<boolean> = []
      const url = yield* server((socket, message) => {
        if (isSslRequest(message)) return socket.write("N")
        const hasSettings = message.includes("default_transaction_read_only")
        sessions.push(hasSettings)
        return socket.end(errorResponse(hasSettings ? "08P01" : "28P01"))
      })
      assert.strictEqual(tagOf(yield* failureOf(url)), "Unauthorized")
      assert.deepStrictEqual(sessions, [true, false])
    }))
})

describe("a password that is not in the URL", () => {
  /** The password that a server is given; undefined when it asks in vain. */
  const given = Effect.fnUntraced(function*(env: Readonly<Record<string, string>>) {
    let password: string | undefined
    const url = yield* server((socket, message) => {
      if (isSslRequest(message)) return socket.write("N")
      // AuthenticationCleartextPassword, which PasswordMessage answers.
      if (message[0] !== 0x70) return socket.write(Buffer.from([0x52, 0, 0, 0, 8, 0, 0, 0, 3]))
      password = message.subarray(5, -1).toString()
      return socket.end(errorResponse("28P01"))
    })
    const { host } = new URL(url)
    const error = yield* Effect.flip(Effect.scoped(Effect.asVoid(
      PostgresApi.make({ url: Redacted.make(`postgresql://reader@${host}/prefect`) }).pipe(
        Effect.provideService(
          ConfigProvider.ConfigProvider,
          ConfigProvider.fromUnknown({ PGPASSFILE: "/nowhere", ...env })
        )
      )
    )))
    assert.strictEqual(tagOf(error), "Unauthorized")
    if (password === undefined) assert.include(error.message, "PGPASSWORD")
    return password
  })
  const passwordFile = (text: string, mode: number) =>
    Effect.map(
      Effect.acquireRelease(
        Effect.sync(() => mkdtempSync(join(tmpdir(), "pgpass-"))),
        (folder) => Effect.sync(() => rmSync(folder, { recursive: true, force: true }))
      ),
      (folder) => {
        const path = join(folder, "pgpass")
        writeFileSync(path, text, { mode })
        return path
      }
    )

  it.live("is that of PGPASSWORD, else of the first line of the password file that fits", () =>
    Effect.gen(function*() {
      assert.strictEqual(yield* given({}), undefined)
      assert.strictEqual(yield* given({ PGPASSWORD: password }), password)
      const PGPASSFILE = yield* passwordFile(
        [
          "# host:port:database:user:password",
          "127.0.0.1:1:prefect:reader:of another port",
          "*:*:*:writer:of another user",
          "broken",
          "127.0.0.1:*:prefect:reader:with\\:colon:and\\\\more",
          "*:*:*:*:last"
        ].join("\n"),
        0o600
      )
      assert.strictEqual(yield* given({ PGPASSFILE }), "with:colon:and\\more")
      assert.strictEqual(yield* given({ PGPASSFILE, PGPASSWORD: password }), password)
    }))

  it.live("is never that of a file that others may read", () =>
    Effect.gen(function*() {
      assert.strictEqual(yield* given({ PGPASSFILE: yield* passwordFile("*:*:*:*:x", 0o644) }), undefined)
    }))
})
