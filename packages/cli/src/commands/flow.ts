import { PrefectApi } from "@effect-prefect/api/PrefectApi"
import * as Command from "effect/cli/Command"
import * as Effect from "effect/Effect"
import * as Flags from "../Flags.ts"
import * as Json from "../internal/json.ts"
import * as Render from "../internal/render.ts"
import * as Services from "../Services.ts"

const list = Command.make(
  "list",
  { ...Flags.backend, json: Flags.json },
  Effect.fnUntraced(function*(flags) {
    const flows = (yield* PrefectApi).flows()
    if (flags.json) return yield* Render.lines(flows, (flow) => `${JSON.stringify(Json.flow(flow))}\n`)
    yield* Render.table(flows, ["FLOW", "NAME", "VERSION", "CREATED"], (flow, paint) => [
      { text: flow.flowId },
      { text: flow.name ?? "" },
      { text: flow.version === undefined || flow.version === null ? "" : String(flow.version) },
      { text: Render.time(flow.created), paint: paint.dim }
    ], "no flows")
  })
).pipe(
  Command.provide((flags) => Services.backend(flags)),
  Command.withDescription("List the flows that the backend has"),
  Command.withExamples([{
    command: "effect-prefect flow list --archive ./archive",
    description: "The flows of an archive"
  }])
)

export const flow = Command.make("flow").pipe(
  Command.withDescription("Flows"),
  Command.withSubcommands([list])
)
