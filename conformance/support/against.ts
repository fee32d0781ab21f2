/**
 * What a conformance script is run against: each program is named once, with its version, in a line that
 * `npm run conformance` puts in its table.
 */
const named = new Set<string>()

/** Names a program with its version, such as "Postgres 15.4". */
export const against = (program: string): void => {
  if (named.has(program)) return
  named.add(program)
  console.log(`  against ${program}`)
}
