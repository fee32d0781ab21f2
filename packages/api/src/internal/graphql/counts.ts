import * as State from "@effect-prefect/core/State"
import * as Effect from "effect/Effect"
import { toApiError } from "../http/failure.ts"
import { isObject } from "../isObject.ts"
import type { GraphQLClient } from "./client.ts"
import { stateTypes } from "./conditions.ts"
import * as Documents from "./documents.ts"
import type { Condition } from "./keyset.ts"
import { listings, malformed, type Pages, views } from "./pages.ts"

/** The total, the number of runs without a stored state, and the number of each type. */
const countDocument = Documents.counts(stateTypes.length + 2)

/** The number of a task's mapped children in each state: by one request of counts, and the rows of states of no known type. */
export const countChildren = (client: GraphQLClient, everyRow: Pages["everyRow"]) =>
  Effect.fnUntraced(function*(flowRunId: string, taskId: string) {
    const operation = "countMappedChildren"
    const children: Condition = {
      flow_run_id: { _eq: flowRunId },
      task_id: { _eq: taskId },
      map_index: { _gte: 0 }
    }
    const conditions = [
      children,
      { ...children, serialized_state: { _is_null: true } },
      ...stateTypes.map((state) => ({ ...children, state: { _eq: state }, serialized_state: { _is_null: false } }))
    ]
    const data = yield* Effect.mapError(
      client.query(
        operation,
        countDocument,
        Object.fromEntries(conditions.map((condition, index) => [`where${index}`, condition]))
      ),
      toApiError(operation)
    )
    const numbers: Array<number> = []
    for (const index of conditions.keys()) {
      const answer = data[`count${index}`]
      const aggregate = isObject(answer) ? answer["aggregate"] : undefined
      const count = isObject(aggregate) ? aggregate["count"] : undefined
      if (!Number.isSafeInteger(count)) return yield* malformed(operation, "a count is not an integer")
      numbers.push(count as number)
    }
    const [total = 0, withoutState = 0, ...counted] = numbers
    const counts = new Map<string, number>()
    const add = (state: string, count: number) => {
      if (count > 0) counts.set(state, (counts.get(state) ?? 0) + count)
    }
    add("Scheduled", withoutState)
    for (const [index, count] of counted.entries()) add(stateTypes[index]!, count)
    const known = counted.reduce((sum, count) => sum + count, withoutState)
    if (known < total) {
      const others: Condition = {
        ...children,
        serialized_state: { _is_null: false },
        _or: [{ state: { _nin: stateTypes } }, { state: { _is_null: true } }]
      }
      for (const view of yield* views(yield* everyRow(operation, listings.taskRuns, [others]))) {
        add(State.typeName(view.state), 1)
      }
    }
    return Object.fromEntries(counts)
  })
