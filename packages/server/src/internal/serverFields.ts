import { GraphQLInt, GraphQLNonNull, GraphQLObjectType, GraphQLScalarType, GraphQLString } from "graphql"
import type { GraphQLFieldConfig, GraphQLOutputType } from "graphql"
import type { Catalog } from "./catalog.ts"
import type { Statement } from "./compiler.ts"

/**
 * A root field besides the tables. Its response is a record whose parts are constant, or JSON texts that a statement
 * returns in one row with a column for each. `missing` is the error when there is no row; without it the response is
 * null.
 */
export interface ServerField {
  readonly config: GraphQLFieldConfig<unknown, unknown>
  readonly parts:
    | { readonly fixed: Readonly<Record<string, string>> }
    | {
      readonly statement: (given: ReadonlyMap<string, unknown>) => Pick<Statement, "sql" | "parameters">
      readonly missing?: string
    }
}

const record = (name: string, fields: Readonly<Record<string, GraphQLOutputType>>): GraphQLObjectType =>
  new GraphQLObjectType({
    name,
    fields: Object.fromEntries(Object.entries(fields).map(([field, type]) => [field, { type }]))
  })

const has = (catalog: Catalog, name: string, columns: ReadonlyArray<string>): boolean =>
  columns.every((column) => catalog.get(name)?.columns.has(column) === true)

/**
 * The fields that Prefect's own server has besides its tables, as far as its clients read them, and `auth_info` of
 * Cloud.
 */
export const serverFields = (catalog: Catalog, uuid: GraphQLScalarType): ReadonlyMap<string, ServerField> => {
  // Prefect's own server has other names for its scalars than Hasura.
  const [UUID, JSON_, DateTime] = ["UUID", "JSON", "DateTime"].map((name) => new GraphQLScalarType({ name })) as [
    GraphQLScalarType,
    GraphQLScalarType,
    GraphQLScalarType
  ]
  const taskRunId = { task_run_id: { type: new GraphQLNonNull(UUID) } }
  const idOf = (given: ReadonlyMap<string, unknown>) => [String(given.get("task_run_id"))]
  const fields = new Map<string, ServerField>()
  fields.set("api", {
    config: {
      type: record("api_info", {
        backend: GraphQLString,
        mode: GraphQLString,
        version: GraphQLString,
        core_version: GraphQLString,
        release_timestamp: GraphQLString
      }),
      description: "the name of the server"
    },
    parts: { fixed: { backend: `"SERVER"`, mode: `"normal"` } }
  })
  if (has(catalog, "tenant", ["id", "created"])) {
    fields.set("auth_info", {
      config: {
        type: record("auth_info", { tenant_id: uuid }),
        description: "the tenant that a client works in: the database's first"
      },
      parts: {
        statement: () => ({
          sql: `SELECT to_json(id)::text AS tenant_id FROM "public"."tenant" ORDER BY created, id LIMIT 1`,
          parameters: []
        })
      }
    })
  }
  if (has(catalog, "task_run", ["id", "version", "state", "serialized_state"])) {
    fields.set("get_task_run_info", {
      config: {
        type: record("task_run_info_payload", {
          id: UUID,
          version: GraphQLInt,
          serialized_state: JSON_,
          state: GraphQLString
        }),
        args: taskRunId,
        description: "the state of a task run"
      },
      parts: {
        statement: (given) => ({
          sql: `SELECT to_json(id)::text AS id, to_json(version)::text AS version, to_json(state)::text AS state, ` +
            `to_json(serialized_state)::text AS serialized_state ` +
            `FROM "public"."task_run" WHERE id = ($1::text)::uuid LIMIT 1`,
          parameters: idOf(given)
        }),
        missing: "Invalid task run ID"
      }
    })
  }
  if (has(catalog, "task_run", ["id", "flow_run_id", "task_id", "map_index", "state", "start_time", "end_time"])) {
    fields.set("mapped_children", {
      config: {
        type: record("mapped_children_payload", {
          min_start_time: DateTime,
          max_end_time: DateTime,
          state_counts: JSON_
        }),
        args: taskRunId,
        description: "the times of the mapped children of a task run, and the number of children in each state"
      },
      parts: {
        statement: (given) => ({
          sql: `SELECT to_json(min(started))::text AS min_start_time, to_json(max(ended))::text AS max_end_time, ` +
            `coalesce(json_object_agg(state, children), '{}'::json)::text AS state_counts FROM (` +
            `SELECT coalesce(child.state, 'Scheduled') AS state, count(*) AS children, ` +
            `min(child.start_time) AS started, max(child.end_time) AS ended ` +
            `FROM "public"."task_run" AS child JOIN "public"."task_run" AS parent ` +
            `ON child.flow_run_id = parent.flow_run_id AND child.task_id = parent.task_id ` +
            `WHERE parent.id = ($1::text)::uuid AND parent.map_index < 0 AND child.map_index >= 0 GROUP BY 1) AS counts`,
          parameters: idOf(given)
        })
      }
    })
  }
  return fields
}
