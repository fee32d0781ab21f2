import { UiApi } from "@effect-prefect/ui-api/Api"
import type { FlowName } from "@effect-prefect/ui-api/Models"
import * as Effect from "effect/Effect"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import * as Stream from "effect/Stream"
import * as Json from "../json.ts"
import * as Long from "../long.ts"
import { fromError, orProblem } from "../problem.ts"
import { defaultLimit, pageOf, skipOf, take } from "./services.ts"

/** More flows than a list of names is useful for. */
const maxFlows = 10_000

export const FlowHandlers = HttpApiBuilder.group(
  UiApi,
  "flows",
  Effect.fnUntraced(function*(handlers) {
    const { api } = yield* take
    return handlers.handleAll({
      list: Effect.fnUntraced(function*({ query }) {
        const skip = yield* skipOf(query.cursor)
        const limit = query.limit ?? defaultLimit
        const page = yield* orProblem(pageOf(api.flows({ pageSize: Math.min(500, skip + limit + 1) }), skip, limit))
        return Long.answer({ items: page.items.map(Json.flow), next: page.next })
      }),
      names: () =>
        Effect.map(
          Effect.mapError(
            Stream.runFold(Stream.take(api.flows(), maxFlows), () => new Map<string, FlowName>(), (names, flow) => {
              const name = flow.name ?? flow.flowId
              const known = names.get(name)
              const isNewer = known === undefined || (flow.version ?? 0) >= known.versions
              names.set(name, {
                name,
                versions: (known?.versions ?? 0) + 1,
                latest: isNewer ? flow.flowId : known.latest
              })
              return names
            }),
            fromError
          ),
          (names) => [...names.values()].toSorted((left, right) => left.name < right.name ? -1 : 1)
        ),
      show: ({ params }) => Effect.map(orProblem(api.flow(params.id)), (view) => Long.answer(Json.flow(view)))
    })
  })
)
