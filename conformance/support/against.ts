/**
 * The programs that a conformance script runs against, each reported once with its version, in a line that `npm run
 * conformance` puts in its table.
 */
const named = new Set<string>()

/** Reports a program with its version, such as "Postgres 15.4". */
export const against = (program: string): void => {
  if (named.has(program)) return
  named.add(program)
  console.log(`  against ${program}`)
}
