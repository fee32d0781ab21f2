// Measured: bench/serve.bench.ts
/**
 * Compiles a root field of a GraphQL query into one SQL statement whose single row is the response, written as JSON by
 * Postgres itself.
 *
 * **Details**
 *
 * The text of a statement consists of names from the catalog and of fixed words only; everything that a client wrote
 * (values, limits, paths, keys of the response) is a bound parameter. A statement therefore depends only on the shape
 * of a query, and equal shapes share one prepared statement.
 *
 * @since 0.1.0
 */
import type { Relation } from "@effect-prefect/core/Tables"
import type { Catalog, Table } from "./catalog.ts"
import {
  aggregateCall,
  asList,
  bindValue,
  Builder,
  condition,
  from,
  matching,
  orderTerms,
  quote
} from "./conditions.ts"
import { Cost, root as rootScope, type Scope } from "./cost.ts"
import { parseJsonPath } from "./jsonPath.ts"
import { QueryError, validationFailed } from "./queryError.ts"
import type { Field, Fragments, Variables } from "./selection.ts"
import { argumentsOf, children } from "./selection.ts"
import type { Statistics } from "./statistics.ts"

/**
 * The result of a root field: rows, the row with a key, or aggregates of rows.
 *
 * @category models
 * @since 0.1.0
 */
export interface RootField {
  readonly kind: "rows" | "by_pk" | "aggregate"
  readonly table: Table
}

/**
 * A statement and its parameters, all as text. Its row has `root`, the response as JSON text, and `rows`, the number of
 * table rows in the response at all levels, as text; no row means null.
 *
 * @category models
 * @since 0.1.0
 */
export interface Statement {
  readonly sql: string
  readonly parameters: ReadonlyArray<string>
  /** The most rows that it may read, according to the statistics. */
  readonly cost: number
  /** Whether it can take long enough to delay others. */
  readonly isHeavy: boolean
}

/**
 * The input of a statement besides the field itself.
 *
 * @category models
 * @since 0.1.0
 */
export interface Context {
  readonly catalog: Catalog
  readonly fragments: Fragments
  readonly variables: Variables
  /** Lists are read at most one row beyond this. */
  readonly maxRows: number
  /** The most fields that a statement may select once its fragments are spread. */
  readonly maxFields: number
  readonly statistics: Statistics
}

/**
 * The root fields of a catalog by name.
 *
 * @category constructors
 * @since 0.1.0
 */
export const rootFields = (catalog: Catalog): ReadonlyMap<string, RootField> =>
  new Map(
    Array.from(catalog.values()).flatMap((table): ReadonlyArray<readonly [string, RootField]> => [
      [table.name, { kind: "rows", table }],
      [`${table.name}_by_pk`, { kind: "by_pk", table }],
      [`${table.name}_aggregate`, { kind: "aggregate", table }]
    ])
  )

/** The value of a selection for one row (or, for aggregates, all rows) of `alias`, and the joins that it needs. */
interface Selected {
  readonly value: string
  readonly joins: ReadonlyArray<string>
  readonly columns: ReadonlySet<string>
  /** Expressions that count the rows of nested lists, for each row of `alias`. */
  readonly counts: ReadonlyArray<string>
}

/** The rows of a list or an aggregate: rows of a table, at `scope`, which are read once for each of its rows. */
interface Rows {
  /** All rows that match the arguments, over all rows of the outer scope. */
  readonly matching: number
  /** The returned rows. */
  readonly scope: Scope
}

/** The relation of a list, and the condition that joins it. */
interface Below {
  readonly joined: string
  readonly relation: Relation
}

/** Postgres's protocol counts the parameters of a statement in 16 bits. */
const maxParameters = 65_535

/** Postgres's functions take at most 100 arguments: 50 pairs. */
const maxPairs = 50

class Compiler {
  readonly builder: Builder
  readonly context: Context
  readonly cost: Cost
  #fields = 0

  constructor(context: Context) {
    this.context = context
    this.cost = new Cost(context.statistics)
    this.builder = new Builder(context.catalog, this.cost)
  }

  /** The number of rows of a list over all rows of the outer scope; `relation` when it is not a root field. */
  rowsOf(
    table: Table,
    given: ReadonlyMap<string, unknown>,
    outer: Scope,
    relation: Relation | undefined,
    maxRows: number
  ): Rows {
    const all = relation === undefined
      ? { rows: this.cost.statistics.rows(table.name), isDistinct: outer.isDistinct }
      : this.builder.related(relation, outer)
    const where = given.get("where")
    const narrowed = where === undefined ? Infinity : outer.rows * matching(this.builder, table, where)
    const found = Math.min(all.rows, narrowed)
    const limit = given.get("limit")
    const rows = Math.min(found, outer.rows * Math.min(typeof limit === "number" ? limit : Infinity, maxRows))
    // The first rows of a list are found without reading the others, unless they are selected by a condition or an
    // order.
    const isChosen = given.has("order_by") || given.has("distinct_on") || given.has("offset") || where !== undefined
    return { matching: isChosen ? found : rows, scope: { rows, isDistinct: all.isDistinct } }
  }

  children(field: Field): ReadonlyArray<Field> {
    const fields = children(field, this.context.fragments, this.context.variables)
    this.#fields += fields.length
    if (this.#fields > this.context.maxFields) {
      throw new QueryError({
        code: "limit-exceeded",
        message: `a query may select at most ${this.context.maxFields} fields, with fragments spread`
      })
    }
    return fields
  }

  argumentsOf(field: Field): ReadonlyMap<string, unknown> {
    return argumentsOf(field, this.context.variables)
  }

  /** A key of the response: literal when it is the schema's own name, bound when the client chose it. */
  key(field: Field): string {
    return field.key === field.name ? `'${field.name}'` : this.builder.bind(field.key)
  }

  object(pairs: ReadonlyArray<readonly [key: string, value: string]>): string {
    const build = (some: typeof pairs) =>
      `json_build_object(${some.map(([key, value]) => `${key}, ${value}`).join(", ")})`
    if (pairs.length <= maxPairs) return build(pairs)
    const parts: Array<string> = []
    for (let index = 0; index < pairs.length; index += maxPairs) {
      const part = `${build(pairs.slice(index, index + maxPairs))}::text`
      const open = index === 0 ? part : `substr(${part}, 2)`
      parts.push(index + maxPairs < pairs.length ? `left(${open}, -1)` : open)
    }
    return `(${parts.join(` || ', ' || `)})::json`
  }

  /** The rows that the arguments select, at most `limit`, as a table of only the columns that are needed. */
  rows(
    table: Table,
    alias: string,
    columns: ReadonlySet<string>,
    given: ReadonlyMap<string, unknown>,
    options: {
      readonly joined: string | undefined
      readonly limit: number | undefined
      /** The number of rows; undefined for an object, which is already counted. */
      readonly of: Rows | undefined
      /** Fields of each row of the response. */
      readonly fields: number
    }
  ): string {
    const where = given.get("where")
    const terms = this.builder.terms
    const candidates: Scope = { rows: options.of?.matching ?? 0, isDistinct: options.of?.scope.isDistinct ?? false }
    const conditions = [
      ...(options.joined === undefined ? [] : [options.joined]),
      ...(where === undefined ? [] : [`(${condition(this.builder, table, alias, where, candidates)})`])
    ]
    const orderBy = given.get("order_by")
    const order = orderBy === undefined ? [] : orderTerms(this.builder, table, alias, orderBy, candidates)
    const distinct = [...new Set(asList(given.get("distinct_on") ?? []).map(String))]
    if (order.length > 0 && order.slice(0, distinct.length).some(({ column }) => !distinct.includes(column ?? ""))) {
      throw validationFailed(`"distinct_on" columns must match initial "order_by" columns`)
    }
    const size = (name: string): number | undefined => {
      const value = given.get(name)
      if (value === undefined) return undefined
      if (typeof value !== "number" || value < 0) throw validationFailed(`unexpected negative value: ${name}`)
      return value
    }
    const limit = size("limit")
    const offset = size("offset")
    if (options.of !== undefined) {
      this.cost.list(options.of.matching, options.of.scope.rows, options.fields, this.builder.terms - terms)
    }
    const names = columns.size === 0 ? "1" : Array.from(columns, (name) => `${alias}.${quote(name)}`).join(", ")
    return [
      "(SELECT",
      ...(distinct.length === 0
        ? []
        : [`DISTINCT ON (${distinct.map((name) => `${alias}.${quote(name)}`).join(", ")})`]),
      `${names} FROM ${from(table.name)} AS ${alias}`,
      ...(conditions.length === 0 ? [] : [`WHERE ${conditions.join(" AND ")}`]),
      ...(order.length === 0
        ? []
        : [`ORDER BY ${order.map(({ direction, expression }) => `${expression} ${direction}`).join(", ")}`]),
      ...(limit !== undefined
        ? [`LIMIT (${this.builder.bind(String(Math.min(limit, options.limit ?? limit)))})::int8`]
        : options.limit === undefined
        ? []
        : [`LIMIT ${options.limit}`]),
      ...(offset === undefined ? [] : [`OFFSET (${this.builder.bind(String(offset))})::int8`])
    ].join(" ") + `) AS ${alias}`
  }

  /** The JSON object of one row. */
  row(table: Table, alias: string, fields: ReadonlyArray<Field>, scope: Scope): Selected {
    const columns = new Set<string>()
    const joins: Array<string> = []
    const counts: Array<string> = []
    const pairs = fields.map((field): readonly [string, string] => {
      const { name } = field
      if (name === "__typename") return [this.key(field), `'${table.name}'::text`]
      const column = table.columns.get(name)
      if (column !== undefined) {
        columns.add(name)
        const path = this.argumentsOf(field).get("path")
        const steps = path === undefined ? [] : parseJsonPath(String(path))
        const value = `${alias}.${quote(name)}`
        return [this.key(field), steps.length === 0 ? value : `${value} #> ${this.builder.bindArray("text", steps)}`]
      }
      const relation = table.relations.get(name) ?? table.relations.get(name.replace(/_aggregate$/, ""))
      if (relation === undefined) throw validationFailed(`field "${name}" not found in type: "${table.name}"`)
      columns.add(relation.column)
      const target = this.builder.table(relation.table)
      const other = this.builder.alias()
      const joined = `${other}.${quote(relation.remoteColumn)} = ${alias}.${quote(relation.column)}`
      const list = relation.kind === "object"
        ? this.one(target, other, field, joined, scope)
        : name === relation.name
        ? this.list(target, other, field, scope, { joined, relation })
        : this.aggregate(target, other, field, scope, { joined, relation })
      const lateral = this.builder.alias()
      joins.push(`LEFT JOIN LATERAL (${list.sql}) AS ${lateral} ON TRUE`)
      if (list.hasRows) counts.push(`${lateral}.rows`)
      return [this.key(field), `${lateral}.root`]
    })
    return { value: this.object(pairs), joins, columns, counts }
  }

  one(
    table: Table,
    alias: string,
    field: Field,
    joined: string,
    outer: Scope
  ): { readonly sql: string; readonly hasRows: boolean } {
    const scope: Scope = { rows: outer.rows, isDistinct: outer === rootScope }
    const fields = this.children(field)
    const selected = this.row(table, alias, fields, scope)
    this.cost.object(scope.rows, fields.length)
    const rows = this.rows(table, alias, selected.columns, new Map(), { joined, limit: 1, of: undefined, fields: 0 })
    const count = selected.counts.map((each) => `coalesce(${each}, 0)`).join(" + ") || "0"
    return {
      sql: [`SELECT ${selected.value} AS root, ${count} AS rows FROM ${rows}`, ...selected.joins].join(" "),
      hasRows: selected.counts.length > 0
    }
  }

  list(
    table: Table,
    alias: string,
    field: Field,
    outer: Scope,
    below?: Below
  ): { readonly sql: string; readonly hasRows: true } {
    const given = this.argumentsOf(field)
    const fields = this.children(field)
    const of = this.rowsOf(table, given, outer, below?.relation, this.context.maxRows)
    const selected = this.row(table, alias, fields, of.scope)
    const rows = this.rows(table, alias, selected.columns, given, {
      joined: below?.joined,
      limit: this.context.maxRows + 1,
      of,
      fields: fields.length
    })
    const count = ["count(*)", ...selected.counts.map((each) => `coalesce(sum(${each}), 0)`)].join(" + ")
    return {
      sql: [
        `SELECT coalesce(json_agg(${selected.value}), '[]'::json) AS root, ${count} AS rows FROM ${rows}`,
        ...selected.joins
      ].join(" "),
      hasRows: true
    }
  }

  aggregate(
    table: Table,
    alias: string,
    field: Field,
    outer: Scope,
    below?: Below
  ): { readonly sql: string; readonly hasRows: boolean } {
    const given = this.argumentsOf(field)
    const parts = this.children(field)
    const hasNodes = parts.some(({ name }) => name === "nodes")
    const of = this.rowsOf(table, given, outer, below?.relation, hasNodes ? this.context.maxRows : Infinity)
    let fields = 0
    const columns = new Set<string>()
    const joins: Array<string> = []
    const counts: Array<string> = []
    const call = (operation: string, name: string): string => {
      fields++
      columns.add(name)
      return aggregateCall(table, alias, operation, name)
    }
    const pairs = parts.map((part): readonly [string, string] => {
      if (part.name === "__typename") return [this.key(part), `'${table.name}_aggregate'::text`]
      if (part.name === "nodes") {
        const nodes = this.children(part)
        fields += nodes.length
        const selected = this.row(table, alias, nodes, of.scope)
        for (const column of selected.columns) columns.add(column)
        joins.push(...selected.joins)
        counts.push("count(*)", ...selected.counts.map((each) => `coalesce(sum(${each}), 0)`))
        return [this.key(part), `coalesce(json_agg(${selected.value}), '[]'::json)`]
      }
      const operations = this.children(part).map((operation): readonly [string, string] => {
        if (operation.name === "__typename") return [this.key(operation), `'${table.name}_aggregate_fields'::text`]
        if (operation.name === "count") {
          fields++
          const given = this.argumentsOf(operation)
          const counted = asList(given.get("columns") ?? []).map(String)
          for (const name of counted) columns.add(name)
          const names = counted.map((name) => `${alias}.${quote(name)}`)
          if (names.length === 0) return [this.key(operation), "count(*)"]
          const value = given.get("distinct") === true
            ? `count(DISTINCT (${names.join(", ")}))`
            : `count(*) FILTER (WHERE ${names.map((name) => `${name} IS NOT NULL`).join(" AND ")})`
          return [this.key(operation), value]
        }
        const values = this.children(operation).map((column): readonly [string, string] => [
          this.key(column),
          column.name === "__typename"
            ? `'${table.name}_${operation.name}_fields'::text`
            : call(operation.name, column.name)
        ])
        return [this.key(operation), this.object(values)]
      })
      return [this.key(part), this.object(operations)]
    })
    // Rows that are only counted are read but not returned.
    const counted: Rows = hasNodes ? of : { matching: of.scope.rows, scope: { ...of.scope, rows: outer.rows } }
    const rows = this.rows(table, alias, columns, given, {
      joined: below?.joined,
      limit: counts.length > 0 ? this.context.maxRows + 1 : undefined,
      of: { ...counted, matching: Math.max(of.matching, of.scope.rows) },
      fields
    })
    return {
      sql: [`SELECT ${this.object(pairs)} AS root, ${counts.join(" + ") || "0"} AS rows FROM ${rows}`, ...joins].join(
        " "
      ),
      hasRows: counts.length > 0
    }
  }
}

/**
 * The statement of one root field, which must be valid for the catalog's schema. Throws a QueryError for errors that
 * validation cannot detect: a null or a negative number where Hasura rejects it, an invalid JSON path, too many fields.
 *
 * @category constructors
 * @since 0.1.0
 */
export const compile = (context: Context, root: RootField, field: Field): Statement => {
  const compiler = new Compiler(context)
  const { builder } = compiler
  const { table } = root
  const alias = builder.alias()
  let sql: string
  if (root.kind === "rows") sql = compiler.list(table, alias, field, rootScope).sql
  else if (root.kind === "aggregate") sql = compiler.aggregate(table, alias, field, rootScope).sql
  else {
    const id = table.columns.get("id")
    if (id === undefined) throw validationFailed(`table "${table.name}" has no key`)
    const key = bindValue(builder, id.type, compiler.argumentsOf(field).get("id"))
    sql = compiler.one(table, alias, field, `${alias}."id" = ${key}`, rootScope).sql
  }
  if (builder.parameters.length > maxParameters) {
    throw new QueryError({
      code: "limit-exceeded",
      message:
        `the query has ${builder.parameters.length} values, and ${maxParameters} are allowed: pass lists of values to _in`
    })
  }
  return {
    cost: compiler.cost.total,
    isHeavy: compiler.cost.isHeavy,
    sql: `SELECT q.root::text AS root, q.rows::text AS rows FROM (${sql}) AS q`,
    parameters: builder.parameters
  }
}
