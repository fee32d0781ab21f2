/** Texts that control a terminal, in every field of a record: no command prints them unescaped. */
import assert from "node:assert/strict"
import { appendFileSync } from "node:fs"
import { join } from "node:path"
import { check } from "../support/check.ts"
import { archive, flowRun, flowRunId, taskRun, uuid } from "../support/hostileArchive.ts"
import { run } from "../support/process.ts"
import { command } from "../support/served.ts"

const evil = (text: string) => `${text}\u001b]52;c;ZXZpbA==\u0007\u001b[2J\r\u009b31m\u202e\u2066`
// oxlint-disable-next-line no-control-regex -- these are what it looks for
const acted = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/

const local = { type: "LocalResult", location: evil("/srv/x/place"), dir: evil("/srv/x") }
const folder = archive("terminal", {
  task_run: [
    taskRun(1, { name: evil("name"), state: evil("state") }, { message: evil("message"), _result: local }),
    taskRun(2, { task_id: evil("task") }, { type: evil("Own") }),
    taskRun(3, {}, { _result: { type: evil("OwnResult"), location: evil("place") } }),
    taskRun(4, {}, { _result: { type: "S3Result", bucket: evil("bucket"), location: evil("key") } }),
    taskRun(5, {}, { _result: { type: "PrefectResult", location: evil("{not JSON") } }),
    taskRun(6, { id: evil("id") })
  ],
  task: [{ id: uuid(1, "bbbbbbbb"), slug: evil("slug"), name: evil("task") }],
  flow_run: [flowRun({
    name: evil("run"),
    flow_id: evil("flow"),
    start_time: evil("start"),
    end_time: evil("end"),
    parameters: { [evil("key")]: evil("value") },
    serialized_state: { type: evil("Own"), message: evil("message") }
  })],
  flow: [{ id: evil("flow"), name: evil("flow") }],
  log: [{
    id: uuid(1),
    flow_run_id: flowRunId,
    level: evil("ERROR"),
    message: evil("m"),
    timestamp: evil("2022"),
    name: evil("n")
  }],
  flow_run_state: [{
    id: uuid(1),
    flow_run_id: flowRunId,
    timestamp: evil("t"),
    state: evil("s"),
    serialized_state: { type: evil("S") }
  }]
}, { [evil("/srv/x")]: evil("folder") })
appendFileSync(join(folder, "tables", "task_run.jsonl"), `{"id": "${evil("x")}", \n`)

const commands: ReadonlyArray<ReadonlyArray<string>> = [
  ["flow", "list"],
  ["flow-run", "list"],
  ...["show", "task-runs", "results", "logs", "states"].map((name) => ["flow-run", name, flowRunId]),
  ["flow-run", "watch", flowRunId, "--timeout", "5"],
  ...[1, 2, 3, 4, 5].flatMap((number) => ["show", "result"].map((name) => ["task-run", name, uuid(number)])),
  ["task-run", "result", evil("id")],
  ["task-run", "show", evil("nothing")]
]
for (const words of commands) {
  await check(`${words.slice(0, 2).join(" ")} prints no control of a record`, async () => {
    const { stderr, stdout } = await run(process.execPath, [command, ...words, "--archive", folder], {
      allowFailure: true,
      env: { NO_COLOR: "1", HOME: folder }
    })
    assert.doesNotMatch(stdout, acted)
    assert.doesNotMatch(stderr, acted)
    assert.ok(stdout.length + stderr.length > 0)
  })
}
await check("archive verify prints no control of a record", async () => {
  const { stderr, stdout } = await run(process.execPath, [command, "archive", "verify", folder], { allowFailure: true })
  assert.doesNotMatch(stdout + stderr, acted)
})
