import { Kind, valueFromASTUntyped } from "graphql"
import type {
  DirectiveNode,
  DocumentNode,
  FieldNode,
  FragmentDefinitionNode,
  SelectionSetNode,
  ValueNode
} from "graphql"

/** The values of an operation's variables as plain JSON; a variable without a value and a default is absent. */
export type Variables = Readonly<Record<string, unknown>>

/** The selection under one key of the response: all nodes that share the key, whose arguments are the same. */
export interface Field {
  readonly key: string
  readonly name: string
  readonly nodes: ReadonlyArray<FieldNode>
}

export type Fragments = ReadonlyMap<string, FragmentDefinitionNode>

export const fragmentsOf = (document: DocumentNode): Fragments =>
  new Map(
    document.definitions.flatMap((node) => node.kind === Kind.FRAGMENT_DEFINITION ? [[node.name.value, node]] : [])
  )

/** A literal or variable as plain JSON, with object keys in the order in which they were written. */
export const valueOf = (node: ValueNode, variables: Variables): unknown => valueFromASTUntyped(node, variables)

/** The arguments of a field without null ones, which Hasura treats as absent. */
export const argumentsOf = (field: Field, variables: Variables): ReadonlyMap<string, unknown> => {
  const result = new Map<string, unknown>()
  for (const argument of field.nodes[0]?.arguments ?? []) {
    const value = valueOf(argument.value, variables)
    if (value !== undefined && value !== null) result.set(argument.name.value, value)
  }
  return result
}

const isIncluded = (directives: ReadonlyArray<DirectiveNode> | undefined, variables: Variables): boolean => {
  for (const directive of directives ?? []) {
    const name = directive.name.value
    if (name !== "skip" && name !== "include") continue
    const condition = directive.arguments?.find((argument) => argument.name.value === "if")
    if (condition !== undefined && valueOf(condition.value, variables) === (name === "skip")) return false
  }
  return true
}

/**
 * The fields of these selection sets, in the order of the response, with fragments spread and nodes with the same key
 * merged. Type conditions of fragments need no check: without interfaces and unions a valid one always applies.
 */
export const collect = (
  sets: ReadonlyArray<SelectionSetNode | undefined>,
  fragments: Fragments,
  variables: Variables
): ReadonlyArray<Field> => {
  const fields = new Map<string, { key: string; name: string; nodes: Array<FieldNode> }>()
  const spread = new Set<string>()
  const visit = (set: SelectionSetNode): void => {
    for (const selection of set.selections) {
      if (!isIncluded(selection.directives, variables)) continue
      if (selection.kind === Kind.FIELD) {
        const key = selection.alias?.value ?? selection.name.value
        const known = fields.get(key)
        if (known === undefined) fields.set(key, { key, name: selection.name.value, nodes: [selection] })
        else known.nodes.push(selection)
      } else if (selection.kind === Kind.INLINE_FRAGMENT) visit(selection.selectionSet)
      else if (!spread.has(selection.name.value)) {
        spread.add(selection.name.value)
        const fragment = fragments.get(selection.name.value)
        if (fragment !== undefined) visit(fragment.selectionSet)
      }
    }
  }
  for (const set of sets) if (set !== undefined) visit(set)
  return [...fields.values()]
}

/** The fields selected below a field. */
export const children = (field: Field, fragments: Fragments, variables: Variables): ReadonlyArray<Field> =>
  collect(field.nodes.map((node) => node.selectionSet), fragments, variables)

/**
 * The nesting depth of fields in a selection set, 0 when none has a selection of its own. Introspection does not count,
 * as in the gateway that Prefect puts in front of Hasura. The document's fragments must not be cyclic.
 */
export const depthOf = (set: SelectionSetNode, fragments: Fragments): number => {
  const ofFragment = new Map<string, number>()
  const measure = (selections: SelectionSetNode): number => {
    let depth = 0
    for (const selection of selections.selections) {
      if (selection.kind === Kind.FIELD) {
        if (selection.selectionSet === undefined || selection.name.value.startsWith("__")) continue
        depth = Math.max(depth, 1 + measure(selection.selectionSet))
      } else if (selection.kind === Kind.INLINE_FRAGMENT) depth = Math.max(depth, measure(selection.selectionSet))
      else {
        const name = selection.name.value
        let known = ofFragment.get(name)
        if (known === undefined) {
          const fragment = fragments.get(name)
          known = fragment === undefined ? 0 : measure(fragment.selectionSet)
          ofFragment.set(name, known)
        }
        depth = Math.max(depth, known)
      }
    }
    return depth
  }
  return measure(set)
}

/** The number of field nodes of a document, at any depth. */
export const countFields = (document: DocumentNode): number => {
  let count = 0
  const sets: Array<SelectionSetNode> = document.definitions.flatMap((node) =>
    node.kind === Kind.OPERATION_DEFINITION || node.kind === Kind.FRAGMENT_DEFINITION ? [node.selectionSet] : []
  )
  for (let set = sets.pop(); set !== undefined; set = sets.pop()) {
    for (const selection of set.selections) {
      if (selection.kind === Kind.FIELD) count++
      if (selection.kind !== Kind.FRAGMENT_SPREAD && selection.selectionSet !== undefined) {
        sets.push(selection.selectionSet)
      }
    }
  }
  return count
}
