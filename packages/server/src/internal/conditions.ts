import type { Relation } from "@effect-prefect/core/Tables"
import type { Catalog, ColumnType, Table } from "./catalog.ts"
import type { Cost, Scope } from "./cost.ts"
import { comparisons, isComparable, numericAggregates } from "./dialect.ts"
import { validationFailed } from "./queryError.ts"

/** The maximum nesting of boolean expressions. */
const maxDepth = 30

/** A statement under construction: its bound parameters, and the aliases of its tables. */
export class Builder {
  readonly parameters: Array<string> = []
  readonly catalog: Catalog
  readonly cost: Cost
  /** Comparisons and order terms so far. */
  terms = 0
  #aliases = 0

  constructor(catalog: Catalog, cost: Cost) {
    this.catalog = catalog
    this.cost = cost
  }

  /** A placeholder for a text: every value is sent as text and cast where it is used. */
  bind(value: string): string {
    return this.#bind(value, "text")
  }

  /**
   * A placeholder for an array, written in Postgres's syntax. It is bound as an array: a text that is cast would be
   * parsed again for each row that it is compared with.
   */
  bindArray(type: string, values: ReadonlyArray<string>): string {
    const elements = values.map((value) => `"${value.replace(/["\\]/g, "\\$&")}"`)
    return this.#bind(`{${elements.join(",")}}`, `${type}[]`)
  }

  #bind(value: string, type: string): string {
    this.parameters.push(value)
    return `$${this.parameters.length}::${type}`
  }

  /** The rows on the other side of a relation, over all rows of a scope. */
  related(relation: Relation, scope: Scope): Scope {
    if (relation.kind === "object") return { rows: scope.rows, isDistinct: false }
    const { statistics } = this.cost
    const rows = scope.rows * statistics.perValue(relation.table, relation.remoteColumn)
    // Rows with different keys share no row of a list.
    const isDistinct = scope.isDistinct && relation.column === "id"
    return { rows: isDistinct ? Math.min(rows, statistics.rows(relation.table)) : rows, isDistinct }
  }

  alias(): string {
    return `t${this.#aliases++}`
  }

  table(name: string): Table {
    const table = this.catalog.get(name)
    if (table === undefined) throw validationFailed(`table not found: ${name}`)
    return table
  }
}

export const quote = (name: string): string => `"${name}"`
export const from = (table: string): string => `"public".${quote(table)}`

export const asList = (value: unknown): ReadonlyArray<unknown> => Array.isArray(value) ? value : [value]

const entriesOf = (value: unknown, what: string): ReadonlyArray<readonly [string, unknown]> => {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw validationFailed(`expected an object for type "${what}", but found ${value === null ? "null" : "another"}`)
  }
  return Object.entries(value).filter(([, entry]) => entry !== undefined)
}

/** Hasura rejects null except as the operand of a comparison. */
const refuseNull = (value: unknown, what: string): unknown => {
  if (value === null || value === undefined) throw validationFailed(`unexpected null value for type "${what}"`)
  return value
}

const toText = (type: ColumnType, value: unknown): string =>
  type.kind === "jsonb" || type.kind === "json" || typeof value === "object" ? JSON.stringify(value) : String(value)

export const bindValue = (builder: Builder, type: ColumnType, value: unknown): string => {
  const placeholder = builder.bind(toText(type, refuseNull(value, type.scalar)))
  return type.cast === "text" ? placeholder : `(${placeholder})::${type.cast}`
}

const text: ColumnType = { scalar: "String", cast: "text", kind: "text" }

const comparison = (builder: Builder, type: ColumnType, column: string, value: unknown): ReadonlyArray<string> =>
  entriesOf(value, `${type.scalar}_comparison_exp`).flatMap(([name, operand]) => {
    // Prefect runs its Hasura with the null semantics of version 1, on which its clients rely: a comparison with null
    // is ignored.
    if (operand === null) return []
    builder.terms++
    if (name === "_is_null") return [`${column} IS ${operand === true ? "" : "NOT "}NULL`]
    if (name === "_cast") {
      return entriesOf(operand, "jsonb_cast_exp").flatMap(([, inner]) =>
        comparison(builder, text, `(${column})::text`, inner)
      )
    }
    const known = comparisons(type).get(name)
    if (known === undefined) {
      throw validationFailed(`field "${name}" not found in type: "${type.scalar}_comparison_exp"`)
    }
    if (known.isPattern === true) builder.cost.hasPatterns = true
    switch (known.takes) {
      case "one":
        return [`${column} ${known.operator} ${bindValue(builder, type, operand)}`]
      case "text":
        return [`${column} ${known.operator} ${builder.bind(String(operand))}`]
      case "many": {
        const items = asList(operand).map((item) => toText(type, refuseNull(item, type.scalar)))
        return [`${column} ${known.operator} (${builder.bindArray(type.cast, items)})`]
      }
      case "texts": {
        const items = asList(operand).map((item) => String(refuseNull(item, "String")))
        return [`${column} ${known.operator} ${builder.bindArray("text", items)}`]
      }
    }
  })

const all = (conditions: ReadonlyArray<string>): string =>
  conditions.length === 0 ? "TRUE" : conditions.length === 1 ? conditions[0]! : conditions.map(bracket).join(" AND ")
const bracket = (condition: string): string => `(${condition})`

/** A `<table>_bool_exp` as a condition on the row of `alias`, which is each row of `scope` in turn. */
export const condition = (
  builder: Builder,
  table: Table,
  alias: string,
  value: unknown,
  scope: Scope,
  depth = 0
): string => {
  const type = `${table.name}_bool_exp`
  if (depth > maxDepth) throw validationFailed(`a condition may nest ${maxDepth} levels deep, not deeper`)
  const inner = (item: unknown) => condition(builder, table, alias, refuseNull(item, type), scope, depth + 1)
  return all(
    entriesOf(value, type).map(([name, operand]) => {
      refuseNull(operand, name)
      switch (name) {
        case "_and":
          return all(asList(operand).map(inner))
        case "_or": {
          const options = asList(operand).map(inner)
          return options.length === 0 ? "FALSE" : options.map(bracket).join(" OR ")
        }
        case "_not":
          return `NOT (${inner(operand)})`
      }
      const column = table.columns.get(name)
      if (column !== undefined) return all(comparison(builder, column.type, `${alias}.${quote(name)}`, operand))
      const relation = table.relations.get(name)
      if (relation === undefined) throw validationFailed(`field "${name}" not found in type: "${type}"`)
      const target = builder.table(relation.table)
      const other = builder.alias()
      const joined = `${other}.${quote(relation.remoteColumn)} = ${alias}.${quote(relation.column)}`
      const related = builder.related(relation, scope)
      builder.terms++
      builder.cost.scan(related.rows)
      const matches = condition(builder, target, other, operand, related, depth + 1)
      return `EXISTS (SELECT 1 FROM ${from(target.name)} AS ${other} WHERE ${joined} AND (${matches}))`
    })
  )
}

/** One term of an ORDER BY; `column` when it is a column of the table itself. */
export interface OrderTerm {
  readonly expression: string
  readonly direction: string
  readonly column: string | undefined
}

const directions: ReadonlyMap<unknown, string> = new Map([
  ["asc", "ASC"],
  ["asc_nulls_first", "ASC NULLS FIRST"],
  ["asc_nulls_last", "ASC NULLS LAST"],
  ["desc", "DESC"],
  ["desc_nulls_first", "DESC NULLS FIRST"],
  ["desc_nulls_last", "DESC NULLS LAST"]
])

const directionOf = (value: unknown): string => {
  const direction = directions.get(value)
  if (direction === undefined) throw validationFailed(`unexpected value for type "order_by"`)
  return direction
}

/**
 * A `<table>_order_by`, or a list of them, as the terms of an ORDER BY on the row of `alias`, which is each row of
 * `scope` in turn.
 */
export const orderTerms = (
  builder: Builder,
  table: Table,
  alias: string,
  value: unknown,
  scope: Scope,
  depth = 0
): ReadonlyArray<OrderTerm> => {
  const type = `${table.name}_order_by`
  if (depth > maxDepth) throw validationFailed(`an order may nest ${maxDepth} levels deep, not deeper`)
  return asList(value).flatMap((item) => entriesOf(item, type)).flatMap(([name, operand]): ReadonlyArray<OrderTerm> => {
    builder.terms++
    const column = table.columns.get(name)
    if (column !== undefined) {
      return [{ expression: `${alias}.${quote(name)}`, direction: directionOf(operand), column: name }]
    }
    const relation = table.relations.get(name) ?? table.relations.get(name.replace(/_aggregate$/, ""))
    if (relation === undefined) throw validationFailed(`field "${name}" not found in type: "${type}"`)
    const target = builder.table(relation.table)
    const other = builder.alias()
    const joined = `FROM ${from(target.name)} AS ${other} WHERE ${other}.${quote(relation.remoteColumn)} = ${alias}.${
      quote(relation.column)
    }`
    const related = builder.related(relation, scope)
    const terms = relation.kind === "object"
      ? orderTerms(builder, target, other, operand, related, depth + 1)
      : aggregateTerms(target, other, operand)
    // Each term is a subquery of its own.
    builder.cost.scan(related.rows * terms.length)
    const limit = relation.kind === "object" ? " LIMIT 1" : ""
    return terms.map(({ direction, expression }) => ({
      expression: `(SELECT ${expression} ${joined}${limit})`,
      direction,
      column: undefined
    }))
  })
}

const aggregateTerms = (table: Table, alias: string, value: unknown): ReadonlyArray<OrderTerm> =>
  entriesOf(value, `${table.name}_aggregate_order_by`).flatMap(([operation, operand]): ReadonlyArray<OrderTerm> => {
    if (operation === "count") {
      return [{ expression: "count(*)", direction: directionOf(operand), column: undefined }]
    }
    return entriesOf(operand, `${table.name}_${operation}_order_by`).map(([name, direction]) => ({
      expression: aggregateCall(table, alias, operation, name),
      direction: directionOf(direction),
      column: undefined
    }))
  })

/** The call of one of Hasura's aggregate functions on a column. */
export const aggregateCall = (table: Table, alias: string, operation: string, name: string): string => {
  const column = table.columns.get(name)
  const isKnown = column !== undefined && (
    operation === "max" || operation === "min"
      ? isComparable(column.type)
      : numericAggregates.includes(operation) && column.type.kind === "number"
  )
  if (!isKnown) throw validationFailed(`field "${name}" not found in type: "${table.name}_${operation}_fields"`)
  return `${operation}(${alias}.${quote(name)})`
}

/** The most rows of a table that a condition can match, according to the keys in it: all rows when it has none. */
export const matching = (builder: Builder, table: Table, value: unknown): number => {
  const all = builder.cost.statistics.rows(table.name)
  if (typeof value !== "object" || value === null || Array.isArray(value)) return all
  let least = all
  for (const [name, operand] of Object.entries(value)) {
    if (name === "_and") {
      for (const item of asList(operand)) least = Math.min(least, matching(builder, table, item))
    }
    if (!(name === "id" || name.endsWith("_id")) || !table.columns.has(name)) continue
    if (typeof operand !== "object" || operand === null) continue
    const { _eq, _in } = operand as { readonly _eq?: unknown; readonly _in?: unknown }
    const per = builder.cost.statistics.perValue(table.name, name)
    if (_eq !== undefined && _eq !== null) least = Math.min(least, per)
    if (_in !== undefined && _in !== null) least = Math.min(least, per * asList(_in).length)
  }
  return least
}
