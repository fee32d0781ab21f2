import type { PrefectApi } from "@effect-prefect/api/PrefectApi"
import type { PrefectApiError } from "@effect-prefect/api/PrefectApiError"
import type { FlowRunView } from "@effect-prefect/core/FlowRunView"
import * as Effect from "effect/Effect"
import type { Colors } from "./colors.ts"

/** The text of `flow-run show`, without the commands that it suggests. */
export const showFlowRun = (
  view: FlowRunView,
  options: { readonly colors: Colors; readonly columns: number | undefined; readonly utc: boolean }
): Effect.Effect<string, PrefectApiError, PrefectApi> =>
  Effect.gen(function*() {
    const [{ style }, { report }, { visible }] = yield* Effect.promise(() =>
      Promise.all([import("./colors.ts"), import("./flowRunReport.ts"), import("./terminal.ts")])
    )
    const { text } = yield* report(view, { ...options, paint: style(options.colors) })
    return visible(text)
  })
