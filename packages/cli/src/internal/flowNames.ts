import { PrefectApi } from "@effect-prefect/api/PrefectApi"
import * as Effect from "effect/Effect"

/** The name of a flow by its id, each requested once; the id when the flow no longer exists. */
export const flowNames = Effect.map(PrefectApi, (api) => {
  const names = new Map<string, string>()
  return (flowId: string | null): Effect.Effect<string> => {
    if (flowId === null) return Effect.succeed("")
    const known = names.get(flowId)
    if (known !== undefined) return Effect.succeed(known)
    return api.flow(flowId).pipe(
      Effect.match({ onFailure: () => flowId as string, onSuccess: (flow) => flow.name ?? flowId }),
      Effect.tap((name) => Effect.sync(() => names.set(flowId, name)))
    )
  }
})
