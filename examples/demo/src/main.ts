/**
 * `npm start`: the task runs of a flow run that a real Prefect 1.4.1 recorded, results of several kinds, and the children
 * of a mapped task, one of which failed.
 */
import * as GraphQLApi from "@effect-prefect/api/GraphQLApi"
import { PrefectApi } from "@effect-prefect/api/PrefectApi"
import * as State from "@effect-prefect/core/State"
import type { TaskRunView } from "@effect-prefect/core/TaskRunView"
import * as JsonProjection from "@effect-prefect/formats/JsonProjection"
import * as InlineStorage from "@effect-prefect/results/InlineStorage"
import * as LocalStorage from "@effect-prefect/results/LocalStorage"
import * as ResultStorage from "@effect-prefect/results/ResultStorage"
import * as TaskRun from "@effect-prefect/results/TaskRun"
import * as Database from "@effect-prefect/server/Database"
import * as Server from "@effect-prefect/server/Server"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import { Cli } from "effect-prefect"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import { spawn } from "node:child_process"
import { fileURLToPath } from "node:url"
import { styleText } from "node:util"

const archive = fileURLToPath(new URL("../../../fixtures/prefect-1", import.meta.url))

/** A Prefect 1 server over the archive, on a free port of this machine. */
const server = Server.layer({ port: 0, logRequests: false }).pipe(Layer.provide(Database.layerArchive(archive)))

const services = Layer.mergeAll(
  Layer.unwrap(Effect.map(Server.Server, ({ url }) => GraphQLApi.layer({ url }))),
  ResultStorage.layerMerge([InlineStorage.layer, LocalStorage.layerArchive(archive)])
).pipe(Layer.provideMerge(server))

const columns = process.stdout.columns > 0 ? process.stdout.columns : 120

/** A value's JSON, as much of it as fits on a line after the other columns. */
const preview = (value: unknown): Effect.Effect<string> =>
  Effect.match(JsonProjection.toText(value), {
    onFailure: (error) => error.message,
    onSuccess: (json) => {
      const room = Math.max(20, Math.min(90, columns - 41))
      return json.length > room ? `${json.slice(0, room - 1)}…` : json
    }
  })

const kinds: ReadonlyArray<readonly [slug: string, what: string]> = [
  ["extract-1", "a pickle in a file"],
  ["summary-1", "JSON"],
  ["finished_at-1", "a datetime"],
  ["frame-1", "a DataFrame as Parquet"],
  ["matrix-1", "a pickled NumPy array"],
  ["big-1", "a gzipped pickle in S3"],
  ["packed-1", "JSON inside xz"],
  ["inline-1", "in the database itself"]
]

const say = (line = ""): Effect.Effect<void> => Effect.sync(() => console.log(line))
const bold = (text: string): string => styleText("bold", text)
const dim = (text: string): string => styleText("dim", text)
const red = (text: string): string => styleText("red", text)

const slug = ({ mapIndex, taskSlug }: TaskRunView): string => `${taskSlug ?? ""}${mapIndex < 0 ? "" : `[${mapIndex}]`}`

const demo = Effect.gen(function*() {
  const api = yield* PrefectApi

  const flowRuns = yield* Stream.runCollect(api.flowRuns({ flowName: "orders-etl" }))
  const flowRun = flowRuns[0]!
  yield* say(bold("The flow run"))
  yield* say(dim(`recorded from a real Prefect 1.4.1, read over GraphQL from ${(yield* Server.Server).url}`))
  yield* say()
  const depth = process.stdout.isTTY ? process.stdout.getColorDepth() : 1
  yield* say(
    (yield* Cli.showFlowRun(flowRun, {
      colors: depth >= 24 ? "full" : depth >= 4 ? "basic" : "none",
      columns,
      utc: false
    })).trimEnd()
  )

  yield* say()
  yield* say(bold("What its tasks returned"))
  yield* say(dim("each result is loaded from where its worker stored it"))
  yield* say()
  for (const [taskSlug, what] of kinds) {
    const taskRun = yield* TaskRun.fromTaskSlug({ taskSlug, flowRunId: flowRun.flowRunId })
    const result = yield* Effect.result(taskRun.getResult)
    yield* say(
      `  ${taskSlug.padEnd(14)}${dim(what.padEnd(24))}` +
        (Result.isSuccess(result) ? yield* preview(result.success) : red(result.failure.message))
    )
  }

  yield* say()
  const mapped = yield* TaskRun.fromTaskSlug({ taskSlug: "score-1", flowRunId: flowRun.flowRunId })
  const total = State.isMapped(mapped.view.state) ? mapped.view.state.nMapStates ?? 0 : 0
  yield* say(bold("The children of a mapped task"))
  yield* say(
    dim(`${mapped.view.taskSlug} was mapped over ${total} orders; a child that failed is a row like any other`)
  )
  yield* say()
  const outcomes = yield* Stream.runCollect(mapped.outcomes)
  for (const { result, taskRun } of outcomes.slice(0, 3)) {
    yield* say(
      `  ${slug(taskRun.view).padEnd(14)}${Result.isSuccess(result) ? yield* preview(result.success) : ""}`
    )
  }
  yield* say(dim(`  … and ${outcomes.length - 3} more`))
  for (const { result, taskRun } of outcomes) {
    if (Result.isSuccess(result)) continue
    const view = taskRun.view
    yield* say(
      `  ${slug(view).padEnd(14)}${State.typeName(view.state)}: ` +
        `${result.failure.reason._tag}`
    )
  }

  yield* say()
  yield* say(bold("The same in a terminal"))
  const archived = "npm run -s effect-prefect -- flow-run show orders-etl/latest --archive fixtures/prefect-1"
  yield* say(`  ${archived}`)
  yield* say(dim("  with --archive DIR, --api URL, --database URL or --prefect3 URL of your own: docs/cli.md"))
  yield* say()
  yield* say(bold("The same in TypeScript"))
  yield* say("  TaskRun.fromTaskRunId(id): six lines in README.md")
  yield* say()
  yield* say(bold("The same in a browser"))
  yield* say("  npm start -- --ui")
  yield* say(dim("  with an archive of your own: npm run -s effect-prefect -- ui --archive DIR --open"))
})

/** `npm start -- --ui`: the page of the same archive, in this system's browser. Other flags are those of the command. */
const showPage = (flags: ReadonlyArray<string>): void => {
  const command = fileURLToPath(new URL("../../../packages/cli/bin/effect-prefect.js", import.meta.url))
  const child = spawn(process.execPath, [command, "ui", "--archive", archive, "--open", ...flags], { stdio: "inherit" })
  const forward = (signal: NodeJS.Signals) => {
    if (signal !== "SIGINT" || !process.stdin.isTTY) child.kill(signal)
  }
  process.on("SIGINT", forward)
  process.on("SIGTERM", forward)
  child.on("exit", (code) => process.exitCode = code ?? 0)
}

const flags = process.argv.slice(2)
if (flags.includes("--ui")) showPage(flags.filter((flag) => flag !== "--ui"))
else demo.pipe(Effect.provide(services), NodeRuntime.runMain)
