/**
 * The commonest mistakes at the command line: each is answered in one line that names what is wrong and the way out, with
 * nothing on standard output.
 */
import { assert, describe, it } from "@effect/vitest"
import { hurriedClock } from "../../core/test/hurriedClock.ts"
import { archives, run } from "./support.ts"

const archive = archives["prefect-1"]
const flowRunId = "6cdaa6fd-f2a5-5ffe-bdc4-8a5c3feb73d3"
const taskRunId = "96cb3741-6155-50af-acc9-55f601654afa"
/** A table, and an object. */
const frame = "077bcb18-70c8-51b5-b765-3e989b7c24e2"
const summary = "17938764-72a9-5e1a-a67b-d93a5ba52e6a"
const A = ["--archive", archive]

const mistakes: ReadonlyArray<readonly [args: ReadonlyArray<string>, code: 1 | 2, message: string]> = [
  [["flow-runs", "list", ...A], 2, "Unknown subcommand \"flow-runs\" for \"effect-prefect\"; did you mean flow-run?"],
  [["flow-run", "lst", ...A], 2, "did you mean list?"],
  [["flow-run", "list", "--sate", "Failed", ...A], 2, "did you mean --state?"],
  [["flow-run", "list"], 2, "say which backend to ask"],
  [["flow-run", "list", ...A, "--api", "http://localhost:4200"], 2, "give one backend, not --archive and --api"],
  [["flow-run", "list", "--archive", "/no/such/folder"], 1, "--archive: there is no folder /no/such/folder"],
  [["flow-run", "list", "--archive", `${archive}/mounts.json`], 2, "is a file; an archive is the folder"],
  [["flow-run", "list", "--api", "127.0.0.1:9"], 1, "127.0.0.1:9"],
  [["flow-run", "list", "--api", "ftp://localhost"], 2, "--api takes an http or https URL"],
  [["flow-run", "list", ...A, "--state", "Fail"], 2, "did you mean Failed?"],
  [["flow-run", "list", ...A, "--flow", "order-etl"], 1, "there are orders-etl"],
  [["flow-run", "list", ...A, "--limit", "0"], 2, "--limit takes a number above 0"],
  [["flow-run", "list", ...A, "--limit", "many"], 2, "--limit"],
  [["flow-run", "list", ...A, "--since", "yesterday"], 2, "--since \"yesterday\" is not a time"],
  [["flow-run", "list", "--profile", "nowhere"], 2, "there is no profile \"nowhere\""],
  [["flow-run", "show", ...A], 2, "say which flow run"],
  [["flow-run", "show", "orders", ...A], 1, "there is no flow run \"orders\""],
  [["flow-run", "show", taskRunId, ...A], 1, "is a task run (extract-1), not a flow run"],
  [["flow-run", "logs", flowRunId, ...A, "--timeout", "5"], 2, "--timeout goes with --follow"],
  [["flow-run", "logs", flowRunId, ...A, "--level", "loud"], 2, "--level"],
  [["task-run", "result", ...A], 2, "say which task run"],
  [["task-run", "result", flowRunId, ...A], 1, "is a flow run (orders-etl-run), not a task run"],
  [["task-run", "result", "--slug", "summary", "--flow-run", flowRunId, ...A], 1, "there are summary-1"],
  [["task-run", "result", "--slug", "summary-1", ...A], 2, "--slug SLUG and --flow-run RUN"],
  [["task-run", "result", "ffffff", ...A], 1, "has an id that begins with ffffff"],
  [["task-run", "mapped", taskRunId, ...A], 1, "it is not mapped (its state is Success): use task-run result"],
  [["task-run", "result", taskRunId, ...A, "-o", "csv"], 2, "use --format csv"],
  [["task-run", "result", taskRunId, ...A, "--mount", "s3:/bucket"], 2, "--mount: "],
  [
    ["task-run", "result", taskRunId, ...A, "--mount", "/srv/x=/no/such/folder"],
    2,
    "there is no folder /no/such/folder"
  ],
  [["flow-run", "list", ...A, "--since", "2022-02-31"], 2, "--since \"2022-02-31\" is not a time"],
  [["flow-run", "list", ...A, "--since", "2022-03-02", "--until", "2022-03-01"], 2, "--since is not before --until"],
  [["flow-run", "list", ...A, "--state", ""], 2, "--state \"\" is not a state; there are "],
  [["flow-run", "list", ...A, "--limit", "1.5"], 2, "--limit takes a whole number, not \"1.5\""],
  [
    ["flow-run", "list", ...A, "--sort", "size"],
    2,
    "--sort takes \"newest\", \"oldest\", \"longest\", \"name\", not \"size\""
  ],
  [["flow-run", "list", ...A, ...A], 2, "--archive was given 2 times; give it once"],
  [[...A, "flow-run", "list"], 2, "--archive stands before the subcommand; flags come after it"],
  [
    ["task-run", "result", frame, ...A, "--format", "csv", "--fields", "id,nope"],
    1,
    "there is no field \"nope\"; there are id, "
  ],
  [
    ["task-run", "result", frame, ...A, "--format", "csv", "--fields", ","],
    2,
    "--fields takes names, e.g. --fields id,total"
  ],
  [["task-run", "result", frame, ...A, "--format", "csv", "--fields", "id,id"], 2, "--fields names \"id\" twice"],
  [
    ["task-run", "result", summary, ...A, "--fields", "orders"],
    1,
    "is not a table, so it has no fields; leave out --fields"
  ],
  [["task-run", "result", summary, ...A, "--format", "csv"], 1, "is not a table, so it cannot be written as csv"],
  [["task-run", "result", frame, ...A, "--raw", "--format", "csv"], 2, "--raw gives the stored bytes"],
  [["archive", "verify", "/no/such/folder"], 1, "/no/such/folder"],
  [["serve", "--port", "70000", ...A], 2, "--port takes a number from 1 to 65535"],
  [["serve"], 2, "say what to serve"]
]

describe("a mistake is answered in one line", () => {
  for (const [args, code, message] of mistakes) {
    it(`${args.map((word) => word.startsWith(archive) ? "ARCHIVE" : word).join(" ")}`, async () => {
      const ran = await run(args, {}, hurriedClock)
      assert.strictEqual(ran.code, code, ran.stderr)
      assert.strictEqual(ran.stdout, "")
      assert.include(ran.stderr, message)
      const lines = ran.stderr.trimEnd().split("\n").filter((line) => !line.endsWith("--help shows how it is used"))
      assert.lengthOf(lines, 1, ran.stderr)
      assert.match(lines[0]!, /^effect-prefect: /)
    })
  }
})
