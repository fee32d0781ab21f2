/**
 * Mutants that make no observable difference, each with the reason. A mutant is identified by its file, the text of its
 * line (without the indentation) and its replacement.
 * @type {ReadonlyArray<{
 *   readonly file: string,
 *   readonly line: string,
 *   readonly from?: string,
 *   readonly to: string,
 *   readonly why: string
 * }>}
 */
export const equivalent = [
  {
    file: "packages/api/src/internal/graphql/keyset.ts",
    line: "return direction === \"asc\" ? a < b : a > b",
    from: "a < b",
    to: "a <= b",
    why: "equal values were passed over above"
  },
  {
    file: "packages/api/src/internal/graphql/keyset.ts",
    line: "return direction === \"asc\" ? a < b : a > b",
    from: "a > b",
    to: "a >= b",
    why: "equal values were passed over above"
  },
  {
    file: "packages/server/src/internal/conditions.ts",
    line: "if (relation.kind === \"object\") return { rows: scope.rows, isDistinct: false }",
    to: "false",
    why: "a key is in one row, and no relation to an object begins at an id: the rest of the function says the same"
  },
  {
    file: "packages/server/src/internal/conditions.ts",
    line: "if (typeof operand !== \"object\" || operand === null) continue",
    from: "typeof operand !== \"object\"",
    to: "false",
    why: "a text or a number has neither _eq nor _in"
  }
]
