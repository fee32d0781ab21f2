// The Postgres backend on a real Postgres: the contract suite, roles, limits, TLS, and an export to an archive.
import * as PostgresApi from "@effect-prefect/api/PostgresApi"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import assert from "node:assert/strict"
import { chownSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { tables as contractTables } from "../packages/api/src/internal/testing/tables.ts"
import { command, readLines, readTables, sqlOf, temporaryFolder } from "./postgres/load.ts"
import { check } from "./support/check.ts"
import { root } from "./support/folder.ts"
import { type Postgres, startPostgres } from "./support/postgres.ts"
import { run } from "./support/process.ts"

const keys = temporaryFolder()
await run("openssl", [
  ..."req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=DNS:localhost".split(" "),
  "-keyout",
  join(keys, "server.key"),
  "-out",
  join(keys, "server.crt")
])
if (process.getuid?.() === 0) {
  const id = async (flag: string) => Number((await run("id", [flag, "postgres"])).stdout)
  const [uid, gid] = [await id("-u"), await id("-g")]
  for (const path of [keys, join(keys, "server.key"), join(keys, "server.crt")]) chownSync(path, uid, gid)
}
await using postgres = await startPostgres({
  settings: { ssl: "on", ssl_cert_file: join(keys, "server.crt"), ssl_key_file: join(keys, "server.key") }
})

const urlOf = (database: string, user = "postgres", parameters = "") =>
  `postgresql://${user}@127.0.0.1:${postgres.port}/${database}${parameters}`
const createDatabase = async ({ psql }: Postgres, name: string, sql: string) => {
  // Not the C collation, which would hide where sorting happens.
  await psql(`create database ${name} template template0 locale_provider icu icu_locale 'en-US'`)
  await psql(sql, name)
}

// ---- the contract

await createDatabase(postgres, "contract", sqlOf(contractTables))
const report = join(temporaryFolder(), "report.json")
await run(
  process.execPath,
  [
    join(root, "node_modules/vitest/vitest.mjs"),
    ..."run --reporter=json --config conformance/postgres/vitest.config.ts".split(" "),
    `--outputFile=${report}`
  ],
  { cwd: root, env: { CONTRACT_DATABASE: urlOf("contract") }, allowFailure: true }
)
interface Assertion {
  readonly fullName: string
  readonly status: string
  readonly failureMessages: ReadonlyArray<string>
}
const [file] = (JSON.parse(readFileSync(report, "utf8")) as {
  readonly testResults: ReadonlyArray<{ readonly assertionResults: ReadonlyArray<Assertion>; readonly message: string }>
}).testResults
await check("the contract suite ran", () => assert.ok((file?.assertionResults.length ?? 0) > 20, file?.message))
for (const { failureMessages, fullName, status } of file?.assertionResults ?? []) {
  await check(fullName, () => assert.equal(status, "passed", failureMessages.join("\n")))
}

// ---- roles and limits

type Api = Effect.Success<ReturnType<typeof PostgresApi.make>>
const ask = <A, E>(
  url: string,
  body: (api: Api) => Effect.Effect<A, E>,
  options: Partial<PostgresApi.Options> = {}
) =>
  Effect.runPromise(
    Effect.scoped(Effect.flatMap(PostgresApi.make({ url: Redacted.make(url), ...options }), body)).pipe(
      Effect.match({
        onSuccess: (value) => ({ value }),
        onFailure: (error) => ({
          error: error as { readonly message: string; readonly reason?: { readonly _tag: string } }
        })
      })
    )
  )
const failureOf = async (...args: Parameters<typeof ask<unknown, unknown>>) => {
  const asked = await ask(...args)
  if (!("error" in asked)) throw new Error("it did not fail")
  return asked.error
}
const listing = (api: Api) => Stream.runCollect(api.flowRuns())

await postgres.psql("create role reader login; create role stranger login", "contract")
await postgres.psql("grant select on all tables in schema public to reader", "contract")
await check("a role with SELECT alone is enough", async () => {
  const asked = await ask(urlOf("contract", "reader"), listing)
  assert.ok("value" in asked && asked.value.length === 6)
})
await check("a role without it is Unauthorized", async () => {
  const error = await failureOf(urlOf("contract", "stranger"), listing)
  assert.equal(error.reason?._tag, "Unauthorized")
  assert.match(error.message, /SELECT/)
})
await check("an unknown role is Unauthorized, an unknown database Unavailable", async () => {
  assert.equal((await failureOf(urlOf("contract", "nobody"), listing)).reason?._tag, "Unauthorized")
  assert.equal((await failureOf(urlOf("nowhere"), listing)).reason?._tag, "Unavailable")
})
await check("a database without Prefect's tables is told from an empty one", async () => {
  const error = await failureOf(urlOf("postgres"), listing)
  assert.equal(error.reason?._tag, "MalformedResponse")
  assert.match(error.message, /Prefect 1/)
})
await createDatabase(
  postgres,
  "limits",
  `create table written (n int);
   create function write() returns int language sql volatile as 'insert into written values (1) returning n';
   create view flow_run as select write() as n, null::uuid as id, now() as created;
   create view flow as select pg_sleep(20)::text as n, null::uuid as id, now() as created`
)
await check("Postgres itself refuses to write in its sessions, even as the owner", async () => {
  assert.match((await failureOf(urlOf("limits"), listing)).message, /25006/)
  assert.equal((await postgres.psql("select count(*) from written", "limits")).trim(), "0")
})
await check("a statement ends at its time limit", async () => {
  const error = await failureOf(urlOf("limits"), (api) => Stream.runCollect(api.flows()), {
    statementTimeout: "200 millis"
  })
  assert.equal(error.reason?._tag, "Unavailable")
  assert.match(error.message, /time limit/)
})
await check("a connection that is cut is made anew", async () => {
  const asked = await ask(urlOf("contract"), (api) =>
    Effect.gen(function*() {
      yield* listing(api)
      yield* Effect.promise(() =>
        postgres.psql(
          "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'effect-prefect'"
        )
      )
      return yield* listing(api)
    }))
  assert.ok("value" in asked && asked.value.length === 6, JSON.stringify(asked))
})
await check("a hundred requests at once share a pool", async () => {
  const asked = await ask(
    urlOf("contract"),
    (api) => Effect.forEach(Array.from({ length: 100 }), () => listing(api), { concurrency: "unbounded" }),
    { maxConnections: 3 }
  )
  assert.ok("value" in asked && asked.value.every((views) => views.length === 6))
})

await check("its socket is found by its folder, and spoken to without TLS", async () => {
  const folder = (await postgres.psql("show unix_socket_directories")).trim()
  const url = `postgresql://postgres@/contract?host=${encodeURIComponent(folder)}&port=${postgres.port}`
  const asked = await ask(url, listing)
  assert.ok("value" in asked && asked.value.length === 6, JSON.stringify(asked))
})

// ---- TLS

const isEncrypted = async (parameters: string, host = "127.0.0.1") => {
  const url = urlOf("contract", "postgres", parameters).replace("127.0.0.1", host)
  const asked = await ask(url, (api) =>
    Effect.andThen(
      listing(api),
      Effect.promise(() =>
        postgres.psql(
          "select bool_and(ssl) from pg_stat_ssl join pg_stat_activity using (pid) where application_name = 'effect-prefect'"
        )
      )
    ))
  return "value" in asked ? asked.value.trim() === "t" : asked.error.reason?._tag
}
const rootCertificate = encodeURIComponent(join(keys, "server.crt"))
await check("TLS is used where it is offered, and not when it is disabled", async () => {
  assert.equal(await isEncrypted(""), true)
  assert.equal(await isEncrypted("?sslmode=require"), true)
  assert.equal(await isEncrypted("?sslmode=disable"), false)
})
await check("verify-ca and verify-full refuse a certificate that nobody vouches for", async () => {
  assert.equal(await isEncrypted("?sslmode=verify-ca"), "Unavailable")
  assert.equal(await isEncrypted("?sslmode=verify-full"), "Unavailable")
})
await check("verify-ca checks the certificate alone, verify-full the name too", async () => {
  assert.equal(await isEncrypted(`?sslmode=verify-ca&sslrootcert=${rootCertificate}`), true)
  assert.equal(await isEncrypted(`?sslmode=verify-full&sslrootcert=${rootCertificate}`), "Unavailable")
  assert.equal(await isEncrypted(`?sslmode=verify-full&sslrootcert=${rootCertificate}`, "localhost"), true)
})

// ---- the command, and an archive made of a database

/** The output of `flow-run results` for every flow run of a backend, each line as JSON. */
const resultsOf = async (backend: ReadonlyArray<string>, storage: ReadonlyArray<string> = []) => {
  const { stdout } = await command(["flow-run", "list", "--json", ...backend])
  const lines: Array<unknown> = []
  for (const run of stdout.trim().split("\n").map((line) => JSON.parse(line) as { readonly flow_run_id: string })) {
    const { stdout } = await command(["flow-run", "results", run.flow_run_id, "--json", ...backend, ...storage])
    for (const line of stdout.split("\n")) if (line !== "") lines.push(JSON.parse(line))
  }
  return lines
}

for (const name of ["prefect-1", "prefect-0.15"]) {
  const fixture = join(root, "fixtures", name)
  const database = name.replace(/\W/g, "_")
  await createDatabase(postgres, database, sqlOf(readTables(fixture)))
  const mounts = Object.entries(
    JSON.parse(readFileSync(join(fixture, "mounts.json"), "utf8")) as Record<string, string>
  )
    .flatMap(([from, folder]) => ["--mount", `${from}=${join(fixture, folder)}`])
  const expected = await resultsOf(["--archive", fixture])
  await check(`${name}: --database gives what --archive gives`, async () => {
    assert.equal(expected.length, readLines(join(fixture, "expected.jsonl")).length)
    assert.deepEqual(await resultsOf(["--database", urlOf(database)], mounts), expected)
  })
  await check(`${name}: export, verify, and --archive of the export give it too`, async () => {
    const directory = join(temporaryFolder(), "archive")
    await command(["archive", "export", directory, "--database", urlOf(database), "--results", ...mounts])
    await command(["archive", "verify", directory])
    assert.deepEqual(await resultsOf(["--archive", directory]), expected)
    for (const [table, rows] of Object.entries(readTables(fixture))) {
      const exported = readLines(join(directory, "tables", `${table}.jsonl`)) as ReadonlyArray<Record<string, unknown>>
      const byId = new Map(exported.map((row) => [row["id"], row]))
      for (const row of rows as ReadonlyArray<Record<string, unknown>>) {
        for (const [column, value] of Object.entries(row)) {
          assert.deepEqual(byId.get(row["id"])?.[column], value, `${table}.${column}`)
        }
      }
    }
  })
}

// ---- at size

/** One flow run whose mapped task has `count` children, each with a result in the database. */
const large = (count: number) => {
  const state = (type: string, fields: string) =>
    `jsonb_build_object('type', '${type}', 'message', null, 'context', '{}'::jsonb, ${fields})`
  return `insert into flow (id, created, updated, name) values ('${
    "f".repeat(8)
  }-0000-4000-8000-000000000000', now(), now(), 'large');
    insert into flow_run (id, created, updated, flow_id, name, serialized_state)
      values ('a0000000-0000-4000-8000-000000000000', now(), now(), 'ffffffff-0000-4000-8000-000000000000', 'large',
        ${state("Success", "'_result', null")});
    insert into task (id, created, updated, flow_id, slug) values
      ('70000000-0000-4000-8000-000000000000', now(), now(), 'ffffffff-0000-4000-8000-000000000000', 'many-1');
    insert into task_run (id, created, updated, flow_run_id, task_id, map_index, version, serialized_state)
      select gen_random_uuid(), now(), now(), 'a0000000-0000-4000-8000-000000000000',
        '70000000-0000-4000-8000-000000000000', n, 1, case n
        when -1 then ${state("Mapped", `'n_map_states', ${count}`)}
        else ${state("Success", `'_result', jsonb_build_object('type', 'PrefectResult', 'location', n::text)`)} end
      from generate_series(-1, ${count - 1}) n order by random();
    analyze`
}
for (const count of [3000, 200_000]) {
  const database = `large_${count}`
  await createDatabase(postgres, database, `${sqlOf({})}${large(count)}`)
  await check(`${count} children: the database and its export give the same results, in map order`, async () => {
    const directory = join(temporaryFolder(), "archive")
    await command(["archive", "export", directory, "--database", urlOf(database), "--results"])
    await command(["archive", "verify", directory])
    const results = async (backend: ReadonlyArray<string>) =>
      (await command([
        ..."flow-run results a0000000-0000-4000-8000-000000000000 --json --max-children 1000000".split(" "),
        ...backend
      ])).stdout.trimEnd().split("\n")
    const fromArchive = await results(["--archive", directory])
    assert.equal(fromArchive.length, count + 1)
    assert.ok(fromArchive.slice(1).every((line, at) => JSON.parse(line).map_index === at))
    assert.equal((await results(["--database", urlOf(database)])).join("\n"), fromArchive.join("\n"))
  })
}
