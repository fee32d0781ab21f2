/** The queries of requests: parsed, validated and remembered, with the values of their variables. */
import type { DocumentNode, GraphQLError, GraphQLSchema, OperationDefinitionNode } from "graphql"
import { executeSync, getVariableValues, Kind, OperationTypeNode, parse, validate } from "graphql"
import { QueryError, validationFailed } from "./queryError.ts"
import type { Field, Fragments, Variables } from "./selection.ts"
import { countFields, depthOf, fragmentsOf, valueOf } from "./selection.ts"

export interface Prepared {
  readonly document: DocumentNode
  readonly fragments: Fragments
  readonly operations: ReadonlyArray<OperationDefinitionNode>
}

const maxCachedQueries = 500
const maxCachedCharacters = 16_384

const fromGraphQL = (code: string) => (error: GraphQLError): QueryError =>
  new QueryError({ code, message: error.message, locations: error.locations, path: error.path })

/** Code that follows selections and fragments is recursive: nesting beyond the stack is the query's fault. */
export const withinStack = <A>(body: () => A): A | QueryError => {
  try {
    return body()
  } catch (error) {
    if (!(error instanceof RangeError)) throw error
    return new QueryError({ code: "GRAPHQL_VALIDATION_FAILED", message: "the query nests too deep" })
  }
}

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value)

/** Variables as an object: absent, null, an object, or any of these as a JSON text. */
export const variablesOf = (given: unknown): Readonly<Record<string, unknown>> | QueryError => {
  let value = given
  if (typeof value === "string") {
    try {
      value = value.trim() === "" ? null : JSON.parse(value)
    } catch {
      return validationFailed("variables must be an object, or JSON text of one")
    }
  }
  if (value === undefined || value === null) return {}
  return isRecord(value) ? value : validationFailed("variables must be an object, or JSON text of one")
}

/** Prepares queries for a schema, and remembers short ones. */
export const make = (
  schema: GraphQLSchema,
  { maxDepth, maxFields, maxTokens }: {
    readonly maxDepth: number
    readonly maxFields: number
    readonly maxTokens: number
  }
) => {
  const cache = new Map<string, Prepared>()

  const prepare = (query: string): Prepared | ReadonlyArray<QueryError> => {
    const known = cache.get(query)
    if (known !== undefined) {
      cache.delete(query)
      cache.set(query, known)
      return known
    }
    let document: DocumentNode
    try {
      document = parse(query, { maxLexicalTokens: maxTokens })
    } catch (error) {
      if (error instanceof RangeError) throw error
      return [fromGraphQL("GRAPHQL_PARSE_FAILED")(error as GraphQLError)]
    }
    if (countFields(document) > maxFields) {
      return [new QueryError({ code: "limit-exceeded", message: `a query may have at most ${maxFields} fields` })]
    }
    const operations = document.definitions.filter((node) => node.kind === Kind.OPERATION_DEFINITION)
    const prepared = { document, fragments: fragmentsOf(document), operations }
    // A mutation is rejected as such, whatever fields it has.
    if (operations.some((operation) => operation.operation !== OperationTypeNode.QUERY)) return prepared
    const errors = validate(schema, document, undefined, { maxErrors: 20 })
    if (errors.length > 0) return errors.map(fromGraphQL("GRAPHQL_VALIDATION_FAILED"))
    const deep = operations.find((operation) => depthOf(operation.selectionSet, prepared.fragments) > maxDepth)
    if (deep !== undefined) {
      const message = `'${deep.name?.value ?? ""}' exceeds maximum operation depth of ${maxDepth}`
      return [new QueryError({ code: "GRAPHQL_VALIDATION_FAILED", message })]
    }
    if (query.length <= maxCachedCharacters) {
      cache.set(query, prepared)
      if (cache.size > maxCachedQueries) cache.delete(cache.keys().next().value ?? "")
    }
    return prepared
  }

  /**
   * The values of an operation's variables, checked against their types; objects keep the order in which they were
   * written.
   */
  const variablesFor = (
    operation: OperationDefinitionNode,
    inputs: Readonly<Record<string, unknown>>
  ): Variables | ReadonlyArray<QueryError> => {
    const definitions = operation.variableDefinitions ?? []
    if (definitions.length === 0) return {}
    const { errors } = getVariableValues(schema, definitions, inputs, { maxErrors: 20 })
    if (errors !== undefined) return errors.map(fromGraphQL("BAD_USER_INPUT"))
    return Object.fromEntries(definitions.flatMap((definition): ReadonlyArray<readonly [string, unknown]> => {
      const name = definition.variable.name.value
      if (Object.hasOwn(inputs, name)) return [[name, inputs[name]]]
      return definition.defaultValue === undefined ? [] : [[name, valueOf(definition.defaultValue, {})]]
    }))
  }

  /** The JSON of a field that describes the schema. */
  const introspect = (
    prepared: Prepared,
    field: Field,
    inputs: Readonly<Record<string, unknown>>,
    operation: OperationDefinitionNode
  ) => {
    const only: OperationDefinitionNode = {
      ...operation,
      selectionSet: { kind: Kind.SELECTION_SET, selections: field.nodes }
    }
    const definitions = [only, ...prepared.fragments.values()]
    const { data, errors } = executeSync({
      schema,
      document: { kind: Kind.DOCUMENT, definitions },
      variableValues: inputs
    })
    if (errors !== undefined && errors[0] !== undefined) throw fromGraphQL("unexpected")(errors[0])
    return JSON.stringify(data?.[field.key] ?? null)
  }

  return { prepare, variablesFor, introspect }
}
