/** The lookup of a task run behind its view, as serve.bench.ts sends it. */
import type { FieldNode } from "graphql"
import { Kind, parse } from "graphql"

const query = `query ($id: uuid!) {
  task_run(where: {id: {_eq: $id}}) { id name task { id slug } map_index serialized_state flow_run_id }
}`

/** The body of a request. */
export const lookup = (id: string) => ({ query, variables: { id } })

const [operation] = parse(query).definitions
const node = operation?.kind === Kind.OPERATION_DEFINITION ? operation.selectionSet.selections[0] : undefined

/** Its root field, as the SQL compiler takes it. */
export const lookupField: { readonly key: string; readonly name: string; readonly nodes: ReadonlyArray<FieldNode> } = {
  key: "task_run",
  name: "task_run",
  nodes: node?.kind === Kind.FIELD ? [node] : []
}
