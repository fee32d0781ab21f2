import type { ColumnType } from "./catalog.ts"

/** A comparison: its operand (`one` value of the column's type, `many` of them, a text, texts) and its operator. */
export interface Comparison {
  readonly takes: "one" | "many" | "text" | "texts"
  readonly operator: string
  /** Whether it matches a text against a pattern from the client. */
  readonly isPattern?: true
}

type Comparisons = ReadonlyMap<string, Comparison>
type Entries = ReadonlyArray<readonly [name: string, comparison: Comparison]>

/** The aggregates of numbers that Hasura offers beside `count`, `max` and `min`, each a Postgres function. */
export const numericAggregates: ReadonlyArray<string> = [
  "avg",
  "stddev",
  "stddev_pop",
  "stddev_samp",
  "sum",
  "var_pop",
  "var_samp",
  "variance"
]

/** Whether `max` and `min` exist for a type. */
export const isComparable = (type: ColumnType): boolean =>
  type.kind === "text" || type.kind === "number" || type.kind === "ordered"

/** The comparisons that Hasura offers for a type. */
export const comparisons = (
  type: ColumnType
): Comparisons => byKind[type.kind]

const equality: Entries = [
  ["_eq", { takes: "one", operator: "=" }],
  ["_neq", { takes: "one", operator: "<>" }],
  ["_gt", { takes: "one", operator: ">" }],
  ["_gte", { takes: "one", operator: ">=" }],
  ["_lt", { takes: "one", operator: "<" }],
  ["_lte", { takes: "one", operator: "<=" }],
  ["_in", { takes: "many", operator: "= ANY" }],
  ["_nin", { takes: "many", operator: "<> ALL" }]
]
const patterns: Entries = [
  ["_like", { takes: "text", operator: "LIKE", isPattern: true }],
  ["_nlike", { takes: "text", operator: "NOT LIKE", isPattern: true }],
  ["_ilike", { takes: "text", operator: "ILIKE", isPattern: true }],
  ["_nilike", { takes: "text", operator: "NOT ILIKE", isPattern: true }],
  ["_similar", { takes: "text", operator: "SIMILAR TO", isPattern: true }],
  ["_nsimilar", { takes: "text", operator: "NOT SIMILAR TO", isPattern: true }],
  ["_regex", { takes: "text", operator: "~", isPattern: true }],
  ["_nregex", { takes: "text", operator: "!~", isPattern: true }],
  ["_iregex", { takes: "text", operator: "~*", isPattern: true }],
  ["_niregex", { takes: "text", operator: "!~*", isPattern: true }]
]
const containment: Entries = [
  ["_contains", { takes: "one", operator: "@>" }],
  ["_contained_in", { takes: "one", operator: "<@" }],
  ["_has_key", { takes: "text", operator: "?" }],
  ["_has_keys_any", { takes: "texts", operator: "?|" }],
  ["_has_keys_all", { takes: "texts", operator: "?&" }]
]
const ordered = new Map(equality)
const byKind: Record<ColumnType["kind"], Comparisons> = {
  text: new Map([...equality, ...patterns]),
  jsonb: new Map([...equality, ...containment]),
  json: new Map(),
  number: ordered,
  ordered,
  identifier: ordered,
  boolean: ordered
}
