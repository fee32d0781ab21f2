/**
 * The GraphQL schema of a catalog, with the names and types that Hasura derives from a Postgres: the single source of
 * field names for clients, validation and introspection. It has no resolvers: {@link SqlCompiler} compiles its fields
 * into SQL.
 *
 * @since 0.1.0
 */
import {
  GraphQLBoolean,
  GraphQLEnumType,
  GraphQLFloat,
  GraphQLInputObjectType,
  GraphQLInt,
  GraphQLList,
  GraphQLNonNull,
  GraphQLObjectType,
  GraphQLScalarType,
  GraphQLSchema,
  GraphQLString
} from "graphql"
import type {
  GraphQLFieldConfig,
  GraphQLFieldConfigArgumentMap,
  GraphQLInputFieldConfig,
  GraphQLNullableOutputType
} from "graphql"
import type { Catalog, Column, ColumnType, Table } from "./catalog.ts"
import { comparisons, isComparable, numericAggregates } from "./dialect.ts"
import { serverFields } from "./serverFields.ts"

type Fields = Record<string, GraphQLFieldConfig<unknown, unknown>>
type InputFields = Record<string, GraphQLInputFieldConfig>

const expectString = (scalar: string) => (value: unknown): string => {
  if (typeof value !== "string") throw new TypeError(`${scalar} must be a string`)
  return value
}
const expectNumeric = (scalar: string) => (value: unknown): string | number => {
  if (typeof value !== "string" && typeof value !== "number") throw new TypeError(`${scalar} must be a number`)
  return value
}

const makeScalar = (type: ColumnType): GraphQLScalarType => {
  switch (type.scalar) {
    case "String":
      return GraphQLString
    case "Int":
      return GraphQLInt
    case "Boolean":
      return GraphQLBoolean
  }
  if (type.kind === "json" || type.kind === "jsonb") return new GraphQLScalarType({ name: type.scalar })
  return new GraphQLScalarType<unknown>({
    name: type.scalar,
    coerceInputValue: type.kind === "number" ? expectNumeric(type.scalar) : expectString(type.scalar)
  })
}

const orderBy = new GraphQLEnumType({
  name: "order_by",
  description: "column ordering options",
  values: {
    asc: { description: "in ascending order, nulls last" },
    asc_nulls_first: { description: "in ascending order, nulls first" },
    asc_nulls_last: { description: "in ascending order, nulls last" },
    desc: { description: "in descending order, nulls first" },
    desc_nulls_first: { description: "in descending order, nulls first" },
    desc_nulls_last: { description: "in descending order, nulls last" }
  }
})

const listOf = (type: GraphQLNullableOutputType) => new GraphQLNonNull(new GraphQLList(new GraphQLNonNull(type)))
const inputList = (type: GraphQLScalarType | GraphQLEnumType | GraphQLInputObjectType) =>
  new GraphQLList(new GraphQLNonNull(type))

interface TableTypes {
  readonly row: GraphQLObjectType
  readonly boolExp: GraphQLInputObjectType
  readonly orderBy: GraphQLInputObjectType
  readonly aggregateOrderBy: GraphQLInputObjectType
  readonly aggregate: GraphQLObjectType
  readonly arguments: GraphQLFieldConfigArgumentMap
}

/**
 * The schema of a catalog: for each table `<table>`, `<table>_by_pk` and `<table>_aggregate` at the root, and the few
 * other fields that Prefect's clients query.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (catalog: Catalog): GraphQLSchema => {
  const scalars = new Map<string, GraphQLScalarType>()
  const scalar = (type: ColumnType): GraphQLScalarType => {
    const known = scalars.get(type.scalar)
    if (known !== undefined) return known
    const made = makeScalar(type)
    scalars.set(type.scalar, made)
    return made
  }

  const comparisonTypes = new Map<string, GraphQLInputObjectType>()
  const comparisonExp = (type: ColumnType): GraphQLInputObjectType => {
    const known = comparisonTypes.get(type.scalar)
    if (known !== undefined) return known
    const value = scalar(type)
    const fields: InputFields = { _is_null: { type: GraphQLBoolean } }
    for (const [name, { takes }] of comparisons(type)) {
      fields[name] = {
        type: takes === "one"
          ? value
          : takes === "many"
          ? inputList(value)
          : takes === "text"
          ? GraphQLString
          : inputList(GraphQLString)
      }
    }
    const made = new GraphQLInputObjectType({
      name: `${type.scalar}_comparison_exp`,
      description:
        `Boolean expression to compare columns of type "${type.scalar}". All fields are combined with logical 'AND'.`,
      fields: () => type.kind === "jsonb" ? { ...fields, _cast: { type: jsonbCastExp } } : fields
    })
    comparisonTypes.set(type.scalar, made)
    return made
  }
  const jsonbCastExp: GraphQLInputObjectType = new GraphQLInputObjectType({
    name: "jsonb_cast_exp",
    fields: () => ({ String: { type: comparisonExp({ scalar: "String", cast: "text", kind: "text" }) } })
  })

  const columnField = (column: Column): GraphQLFieldConfig<unknown, unknown> => {
    const type = scalar(column.type)
    const isJson = column.type.kind === "jsonb" || column.type.kind === "json"
    return {
      type: column.nullable ? type : new GraphQLNonNull(type),
      ...(isJson ? { args: { path: { type: GraphQLString, description: "JSON select path" } } } : {})
    }
  }

  const makeTypes = (table: Table): TableTypes => {
    const { name } = table
    const columns = [...table.columns.values()]
    const relations = [...table.relations.values()]
    const selectColumn = new GraphQLEnumType({
      name: `${name}_select_column`,
      description: `select columns of table "${name}"`,
      values: Object.fromEntries(columns.map((column) => [column.name, {}]))
    })
    const boolExp: GraphQLInputObjectType = new GraphQLInputObjectType({
      name: `${name}_bool_exp`,
      description:
        `Boolean expression to filter rows from the table "${name}". All fields are combined with a logical 'AND'.`,
      fields: () => {
        const fields: InputFields = {
          _and: { type: inputList(boolExp) },
          _not: { type: boolExp },
          _or: { type: inputList(boolExp) }
        }
        for (const column of columns) fields[column.name] = { type: comparisonExp(column.type) }
        for (const relation of relations) fields[relation.name] = { type: typesOf(relation.table).boolExp }
        return fields
      }
    })
    const order: GraphQLInputObjectType = new GraphQLInputObjectType({
      name: `${name}_order_by`,
      description: `Ordering options when selecting data from "${name}".`,
      fields: () => {
        const fields: InputFields = {}
        for (const column of columns) if (column.type.kind !== "json") fields[column.name] = { type: orderBy }
        for (const relation of relations) {
          if (relation.kind === "object") fields[relation.name] = { type: typesOf(relation.table).orderBy }
          else fields[`${relation.name}_aggregate`] = { type: typesOf(relation.table).aggregateOrderBy }
        }
        return fields
      }
    })
    const selectArguments: GraphQLFieldConfigArgumentMap = {
      distinct_on: { type: inputList(selectColumn), description: "distinct select on columns" },
      limit: { type: GraphQLInt, description: "limit the number of rows returned" },
      offset: { type: GraphQLInt, description: "skip the first n rows. Use only with order_by" },
      order_by: { type: inputList(order), description: "sort the rows by one or more columns" },
      where: { type: boolExp, description: "filter the rows returned" }
    }
    const row: GraphQLObjectType = new GraphQLObjectType({
      name,
      description: `columns and relationships of "${name}"`,
      fields: () => {
        const fields: Fields = {}
        for (const column of columns) fields[column.name] = columnField(column)
        for (const relation of relations) {
          const target = typesOf(relation.table)
          if (relation.kind === "object") fields[relation.name] = { type: target.row }
          else {
            fields[relation.name] = { type: listOf(target.row), args: target.arguments }
            fields[`${relation.name}_aggregate`] = {
              type: new GraphQLNonNull(target.aggregate),
              args: target.arguments
            }
          }
        }
        return fields
      }
    })

    const comparable = columns.filter((column) => isComparable(column.type))
    const numeric = columns.filter((column) => column.type.kind === "number")
    const aggregateType = (operation: string): GraphQLObjectType =>
      new GraphQLObjectType({
        name: `${name}_${operation}_fields`,
        fields: Object.fromEntries(
          operation === "max" || operation === "min"
            ? comparable.map((column) => [column.name, { type: scalar(column.type) }])
            : numeric.map((column) => [
              column.name,
              { type: operation === "sum" ? scalar(column.type) : GraphQLFloat }
            ])
        )
      })
    const operations = [
      ...(comparable.length > 0 ? ["max", "min"] : []),
      ...(numeric.length > 0 ? numericAggregates : [])
    ]
    const aggregateFields = new GraphQLObjectType({
      name: `${name}_aggregate_fields`,
      description: `aggregate fields of "${name}"`,
      fields: () => {
        const fields: Fields = {
          count: {
            type: new GraphQLNonNull(GraphQLInt),
            args: { columns: { type: inputList(selectColumn) }, distinct: { type: GraphQLBoolean } }
          }
        }
        for (const operation of operations) fields[operation] = { type: aggregateType(operation) }
        return fields
      }
    })
    const aggregateOrderBy = new GraphQLInputObjectType({
      name: `${name}_aggregate_order_by`,
      description: `order by aggregate values of table "${name}"`,
      fields: () => {
        const fields: InputFields = { count: { type: orderBy } }
        for (const operation of operations) {
          const of = operation === "max" || operation === "min" ? comparable : numeric
          fields[operation] = {
            type: new GraphQLInputObjectType({
              name: `${name}_${operation}_order_by`,
              fields: Object.fromEntries(of.map((column) => [column.name, { type: orderBy }]))
            })
          }
        }
        return fields
      }
    })
    const aggregate = new GraphQLObjectType({
      name: `${name}_aggregate`,
      description: `aggregated selection of "${name}"`,
      fields: () => ({ aggregate: { type: aggregateFields }, nodes: { type: listOf(row) } })
    })
    return { row, boolExp, orderBy: order, aggregateOrderBy, aggregate, arguments: selectArguments }
  }

  const tableTypes = new Map<string, TableTypes>()
  const typesOf = (name: string): TableTypes => {
    const known = tableTypes.get(name)
    if (known !== undefined) return known
    const table = catalog.get(name)
    if (table === undefined) throw new Error(`the catalog has a relation to the missing table ${name}`)
    const made = makeTypes(table)
    tableTypes.set(name, made)
    return made
  }

  const query: Fields = {}
  for (const table of catalog.values()) {
    const types = typesOf(table.name)
    const id = table.columns.get("id")
    query[table.name] = {
      type: listOf(types.row),
      args: types.arguments,
      description: `fetch data from the table: "${table.name}"`
    }
    query[`${table.name}_aggregate`] = {
      type: new GraphQLNonNull(types.aggregate),
      args: types.arguments,
      description: `fetch aggregated fields from the table: "${table.name}"`
    }
    if (id !== undefined) {
      query[`${table.name}_by_pk`] = {
        type: types.row,
        args: { id: { type: new GraphQLNonNull(scalar(id.type)) } },
        description: `fetch data from the table: "${table.name}" using primary key columns`
      }
    }
  }
  const uuid = scalar({ scalar: "uuid", cast: "uuid", kind: "identifier" })
  query["hello"] = { type: GraphQLString, description: "a greeting, to see whether the server answers" }
  for (const [name, { config }] of serverFields(catalog, uuid)) query[name] = config

  return new GraphQLSchema({
    query: new GraphQLObjectType({ name: "query_root", fields: query }),
    mutation: new GraphQLObjectType({
      name: "mutation_root",
      fields: {
        no_mutations_available: {
          type: GraphQLString,
          description: "this server is read-only: it rejects every mutation"
        }
      }
    })
  })
}
