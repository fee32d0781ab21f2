/**
 * Texts that control a terminal or pass for a line of the command's own, in every field of a record, a configuration, a
 * file's name or a server's answer: no command prints them unescaped.
 */
import assert from "node:assert/strict"
import { once } from "node:events"
import { appendFileSync, mkdirSync, writeFileSync } from "node:fs"
import { createServer, type RequestListener } from "node:http"
import type { AddressInfo } from "node:net"
import { join } from "node:path"
import { check } from "../support/check.ts"
import { archive, flowRun, flowRunId, manyTaskRuns, taskRun, temporary, uuid } from "../support/hostileArchive.ts"
import { run } from "../support/process.ts"
import { command } from "../support/served.ts"

const evil = (text: string) => `${text}\nFORGED ${text}\u001b]52;c;ZXZpbA==\u0007\u001b[2J\r\u009b31m\u202e\u2066\u2028`
// oxlint-disable-next-line no-control-regex -- these are what it looks for
const acted = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]/
const forged = /^\s*FORGED/m

const home = join(temporary, "home")
const configuration = join(home, ".config")

const judge = (
  words: ReadonlyArray<string>,
  options: { readonly env?: Record<string, string>; readonly mayHaveLines?: boolean } = {}
) => {
  // oxlint-disable-next-line no-control-regex -- a name of a check is printed as well
  const name = words.map((word) => word.replaceAll(temporary, "").replace(/[^ -~][^]*/, "…")).join(" ")
  return check(`${name} prints nothing that acts, and no line of somebody else's`, async () => {
    const { stderr, stdout } = await run(process.execPath, [command, ...words], {
      allowFailure: true,
      env: { NO_COLOR: "1", HOME: home, XDG_CONFIG_HOME: configuration, ...options.env }
    })
    for (const text of [stdout, stderr]) {
      assert.doesNotMatch(text, acted)
      if (options.mayHaveLines !== true) assert.doesNotMatch(text, forged)
    }
    assert.ok(stdout.length + stderr.length > 0)
  })
}

const tables = {
  task_run: [
    taskRun(1, { name: evil("name"), state: evil("state") }, {
      message: evil("message"),
      _result: { type: "LocalResult", location: evil("/srv/x/place"), dir: evil("/srv/x") }
    }),
    taskRun(2, { task_id: evil("task") }, { type: evil("Own") }),
    taskRun(3, {}, { _result: { type: evil("OwnResult"), location: evil("place") } }),
    taskRun(4, {}, { _result: { type: "S3Result", bucket: evil("bucket"), location: evil("key") } }),
    taskRun(5, {}, { _result: { type: "PrefectResult", location: evil("{not JSON") } }),
    taskRun(6, { id: evil("id") }),
    taskRun(7, {}, { type: "Mapped", n_map_states: 2, map_states: [] }),
    taskRun(8, { task_id: uuid(7, "bbbbbbbb"), map_index: 0 }, {
      _result: { type: "GCSResult", bucket: evil("bucket"), location: evil("key") }
    }),
    taskRun(9, { task_id: uuid(7, "bbbbbbbb"), map_index: 1 }, { type: "Failed", message: evil("failed") })
  ],
  task: [1, 7].map((number) => ({ id: uuid(number, "bbbbbbbb"), slug: evil(`slug${number}`), name: evil("task") })),
  flow_run: [flowRun({
    name: evil("run"),
    state: evil("state"),
    start_time: evil("start"),
    end_time: evil("end"),
    parameters: { [evil("key")]: evil("value") },
    serialized_state: { type: evil("Own"), message: evil("message") }
  })],
  flow: [{ id: uuid(1, "cccccccc"), name: evil("flow") }],
  log: [{
    id: uuid(1),
    flow_run_id: flowRunId,
    task_run_id: uuid(1),
    level: evil("ERROR"),
    message: evil("message"),
    timestamp: "2022-01-01T00:00:00Z",
    name: evil("name")
  }],
  flow_run_state: [{
    id: uuid(1),
    flow_run_id: flowRunId,
    timestamp: "2022-01-01T00:00:00Z",
    state: evil("state"),
    serialized_state: { type: evil("State"), message: evil("message") }
  }],
  task_run_state: [{
    id: uuid(1),
    task_run_id: uuid(1),
    timestamp: evil("time"),
    state: evil("state"),
    serialized_state: { type: evil("State"), message: evil("message") }
  }],
  task_run_artifact: [{
    id: uuid(1),
    task_run_id: uuid(1),
    kind: evil("link"),
    data: { link: evil("http://example") },
    created: "2022-01-01T00:00:00Z"
  }]
}
const folder = archive("terminal", tables, { [evil("/srv/x")]: evil("folder") })
appendFileSync(join(folder, "tables", "task_run.jsonl"), `{"id": "${evil("x")}", \n`)
const source = ["--archive", folder]

const records: ReadonlyArray<ReadonlyArray<string>> = [
  ["flow", "list"],
  ["flow-run", "list"],
  ["flow-run", "list", "--flow", evil("nothing")],
  ["flow-run", "list", "--state", evil("Failed")],
  ["flow-run", "list", "--since", evil("1d")],
  ...["show", "task-runs", "result", "results", "states", "artifacts"].map((name) => ["flow-run", name, flowRunId]),
  ["flow-run", "show", `${evil("flow")}/latest`],
  ["flow-run", "watch", flowRunId, "--timeout", "5"],
  ["task-run", "list"],
  ["task-run", "states", uuid(1)],
  ["task-run", "mapped", uuid(7)],
  ...[1, 2, 3, 4, 5].flatMap((number) => ["show", "result"].map((name) => ["task-run", name, uuid(number)])),
  ["task-run", "result", evil("id")],
  ["task-run", "show", "--slug", evil("slug"), "--flow-run", flowRunId],
  ["doctor"],
  ["collect", "--all", "--format", "jsonl", "--output", join(temporary, evil("out"))],
  ["collect", "--flow", evil("flow"), "--output", join(temporary, "other")]
]
for (const words of records) await judge([...words, ...source], { mayHaveLines: words[1] === "watch" })
// A message of a log has the lines that it has.
for (const words of [["flow-run", "logs", flowRunId], ["task-run", "logs", uuid(1)]]) {
  await judge([...words, ...source], { mayHaveLines: true })
}

const profiles = join(configuration, "effect-prefect")
mkdirSync(profiles, { recursive: true })
mkdirSync(join(home, ".prefect"))
writeFileSync(
  join(profiles, "config.toml"),
  `active = ${JSON.stringify(evil("p"))}
[profiles.${JSON.stringify(evil("p"))}]
api = ${JSON.stringify(evil("http://example"))}
[profiles.two]
archive = ${JSON.stringify(evil("/no/such/folder"))}
mount = [${JSON.stringify(evil("/no/such/mount"))}]
`
)
writeFileSync(
  join(home, ".prefect", "profiles.toml"),
  `active = ${JSON.stringify(evil("p"))}
[profiles.${JSON.stringify(evil("p"))}]
PREFECT_API_URL = ${JSON.stringify(evil("http://example"))}
`
)
const absent = evil("/no/such/place")
const configured: ReadonlyArray<ReadonlyArray<string>> = [
  ["profile", "list"],
  ["profile", "use", evil("x")],
  ["profile", "remove", evil("y")],
  ["profile", "set", evil("z"), "--archive", absent],
  ["doctor"],
  ["doctor", "--profile", "two"],
  ["flow", "list"],
  ["flow", "list", "--profile", "two"],
  ["flow", "list", "--archive", absent],
  ["flow", "list", evil("--flag")],
  ["flow", "list", "--api", evil("http://example")],
  ["flow", "list", "--database", evil("postgresql://example/database")],
  ["flow", "list", "--mount", evil("x=y"), "--archive", folder],
  [evil("command")],
  ["archive", "verify", absent],
  ["archive", "index", absent],
  ["collect", "status", absent],
  ["collect", "verify", evil("s3x://bucket")],
  ["serve", "--archive", absent],
  ["serve", "--archive", folder, "--host", evil("host")],
  ["serve", "--archive", folder, "--api-key-file", absent],
  ["ui", "--archive", folder, "--host", evil("host")],
  ["task-run", "result", uuid(1), ...source, "--output", `${absent}/x.json`],
  ["task-run", "result", uuid(1), ...source, "--format", evil("csv")]
]
for (const words of configured) await judge(words)
for (const name of ["EFFECT_PREFECT_ARCHIVE", "PREFECT_API_URL", "HTTPS_PROXY", "SSL_CERT_FILE"]) {
  const other = name.startsWith("PREFECT") || name.startsWith("EFFECT")
    ? {}
    : { PREFECT_API_URL: "https://host.invalid" }
  await judge(["flow", "list"], { env: { XDG_CONFIG_HOME: "/no/such/folder", ...other, [name]: evil("ftp://x") } })
}

const verified = archive("verified", manyTaskRuns(1))
writeFileSync(join(verified, "manifest.json"), "{}")
writeFileSync(join(verified, "tables", evil("file").replaceAll("/", "_")), "x")
mkdirSync(join(verified, evil("folder")))
for (const words of [["archive", "verify", verified], ["archive", "verify", verified, "--json"]]) await judge(words)

const json = (status: number, value: unknown): RequestListener => (request, response) => {
  request.resume()
  response.writeHead(status, { "content-type": "application/json" })
  response.end(JSON.stringify(value))
}
const said = {
  errors: [{ message: evil("m"), extensions: { code: evil("c") } }],
  detail: evil("d"),
  exception_message: evil("e")
}
const answers: ReadonlyArray<readonly [name: string, listener: RequestListener]> = [
  ["a page", (_request, response) => {
    response.writeHead(500, { "content-type": "text/html" })
    response.end(`<html><title>${evil("title")}</title><body>${evil("body")}</body></html>`)
  }],
  ["errors", json(200, said)],
  ["refusals", json(422, said)],
  ["a redirect", (_request, response) => {
    response.writeHead(302, { location: `http://evil.example/${encodeURI(evil("place"))}` })
    response.end()
  }],
  ["a status and headers", ({ socket }) => {
    socket.end(
      "HTTP/1.1 503 \u001b[2J\u009b31mFORGED\r\nX-Y: \u001b[2J\r\nRetry-After: \u001b[2J\r\nContent-Length: 0\r\n\r\n"
    )
  }],
  ["a version and half a list", (request, response) => {
    request.resume()
    response.writeHead(200, { "content-type": "application/json" })
    response.end(request.url?.includes("version") === true ? JSON.stringify(evil("3.8.0")) : evil("["))
  }]
]
let listener: RequestListener = () => {}
const server = createServer((request, response) => listener(request, response))
await once(server.listen(0, "127.0.0.1"), "listening")
const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
for (const [, answer] of answers) {
  listener = answer
  for (const backend of [["--api", url], ["--prefect3", `${url}/api`]]) {
    await judge(["flow", "list", ...backend])
    await judge(["doctor", ...backend])
  }
}
server.closeAllConnections()
server.close()
