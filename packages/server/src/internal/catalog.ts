/**
 * The Prefect tables and columns that a database actually has. Its GraphQL schema and its SQL are derived from them, so
 * the database of an older or newer server, or a role that may only read a part, is served as far as it goes.
 *
 * @since 0.1.0
 */
import * as Tables from "@effect-prefect/core/Tables"

/**
 * The GraphQL form of a Postgres type: the name of its scalar, the type that a bound text is cast to, and the supported
 * comparisons.
 *
 * @category models
 * @since 0.1.0
 */
export interface ColumnType {
  readonly scalar: string
  readonly cast: string
  readonly kind: "text" | "json" | "jsonb" | "number" | "ordered" | "identifier" | "boolean"
}

/**
 * A column that the database has.
 *
 * @category models
 * @since 0.1.0
 */
export interface Column {
  readonly name: string
  readonly type: ColumnType
  readonly nullable: boolean
}

/**
 * A table that the database has, with its existing columns and relations.
 *
 * @category models
 * @since 0.1.0
 */
export interface Table {
  readonly name: string
  readonly columns: ReadonlyMap<string, Column>
  readonly relations: ReadonlyMap<string, Tables.Relation>
}

/**
 * The tables of a database by name, in the order of `Tables.tables`.
 *
 * @category models
 * @since 0.1.0
 */
export type Catalog = ReadonlyMap<string, Table>

const text: ColumnType = { scalar: "String", cast: "text", kind: "text" }
const types: ReadonlyMap<string, ColumnType> = new Map<string, ColumnType>([
  ["varchar", text],
  ["text", text],
  ["bpchar", text],
  ["uuid", { scalar: "uuid", cast: "uuid", kind: "identifier" }],
  ["bool", { scalar: "Boolean", cast: "bool", kind: "boolean" }],
  ["int2", { scalar: "smallint", cast: "int2", kind: "number" }],
  ["int4", { scalar: "Int", cast: "int4", kind: "number" }],
  ["int8", { scalar: "bigint", cast: "int8", kind: "number" }],
  ["numeric", { scalar: "numeric", cast: "numeric", kind: "number" }],
  ["float4", { scalar: "float8", cast: "float8", kind: "number" }],
  ["float8", { scalar: "float8", cast: "float8", kind: "number" }],
  ["timestamptz", { scalar: "timestamptz", cast: "timestamptz", kind: "ordered" }],
  ["timestamp", { scalar: "timestamp", cast: "timestamp", kind: "ordered" }],
  ["date", { scalar: "date", cast: "date", kind: "ordered" }],
  ["interval", { scalar: "interval", cast: "interval", kind: "ordered" }],
  ["json", { scalar: "json", cast: "json", kind: "json" }],
  ["jsonb", { scalar: "jsonb", cast: "jsonb", kind: "jsonb" }]
])

/**
 * One row of {@link columnsStatement}.
 *
 * @category models
 * @since 0.1.0
 */
export interface ColumnRow {
  readonly table: string
  readonly column: string
  readonly type: string
}

/**
 * The statement that lists the columns of schema `public` that the session's role may read.
 *
 * @category statements
 * @since 0.1.0
 */
export const columnsStatement =
  `SELECT c.relname::text AS "table", a.attname::text AS "column", t.typname::text AS "type"
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid
JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p', 'v', 'm') AND a.attnum > 0 AND NOT a.attisdropped
  AND has_column_privilege(c.oid, a.attnum, 'SELECT')
ORDER BY c.relname, a.attnum`

/**
 * The catalog of a database that has these columns. Tables that are not Prefect's, columns of a type without a GraphQL
 * scalar, and relations to missing tables are omitted; columns that Prefect's tables do not declare (another version's)
 * are kept.
 *
 * @category constructors
 * @since 0.1.0
 */
export const fromColumns = (rows: Iterable<ColumnRow>): Catalog => {
  const found = new Map<string, Map<string, ColumnType>>()
  for (const row of rows) {
    const type = types.get(row.type)
    if (type === undefined || !/^[a-z_][a-z0-9_]*$/.test(row.column) || row.column.startsWith("__")) continue
    const columns = found.get(row.table)
    if (columns === undefined) found.set(row.table, new Map([[row.column, type]]))
    else columns.set(row.column, type)
  }
  const has = (table: string, column: string) => found.get(table)?.has(column) === true
  const catalog = new Map<string, Table>()
  for (const table of Tables.tables) {
    const columns = found.get(table.name)
    if (columns === undefined || !columns.has("id")) continue
    const relations = table.relations.filter((relation) =>
      columns.has(relation.column) && has(relation.table, relation.remoteColumn) && has(relation.table, "id") &&
      !columns.has(relation.name)
    )
    const nullable = new Map(table.columns.map((column) => [column.name, column.nullable]))
    catalog.set(table.name, {
      name: table.name,
      columns: new Map(
        Array.from(columns, ([name, type]) => [name, { name, type, nullable: nullable.get(name) ?? true }])
      ),
      relations: new Map(relations.map((relation) => [relation.name, relation]))
    })
  }
  return catalog
}
