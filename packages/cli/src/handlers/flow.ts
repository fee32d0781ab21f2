import { PrefectApi } from "@effect-prefect/api/PrefectApi"
import * as Effect from "effect/Effect"
import type * as Inputs from "../inputs/flow.ts"
import * as Json from "../internal/json.ts"
import type { InputsOf } from "../internal/lazyHandler.ts"
import * as Render from "../internal/render.ts"
import * as Times from "../internal/times.ts"
import * as Services from "../services.ts"

export const list = Effect.fnUntraced(function*(flags: InputsOf<typeof Inputs.list>) {
  const flows = (yield* PrefectApi).flows()
  if (flags.json) return yield* Render.jsonLines(flows, Json.flow)
  const times = Times.make(flags)
  yield* Render.table(flows, ["FLOW", "NAME", "VERSION", `CREATED (${times.zone})`], (flow, paint) => [
    { text: flow.flowId },
    { text: flow.name ?? "" },
    { text: flow.version === undefined || flow.version === null ? "" : String(flow.version) },
    { text: times.time(flow.created), paint: paint.dim, whole: true }
  ], "no flows")
}, (effect, flags) => Effect.provide(effect, Services.backend(flags)))
