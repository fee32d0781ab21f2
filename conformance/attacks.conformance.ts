/**
 * Attacks on the command and the server, each in a way that shows whether it succeeds: hostile queries, neighbours and
 * connections of `serve`, texts for terminals, signals and files. `ATTACKS=terminal` selects one of them.
 */
const chosen = process.env["ATTACKS"]?.split(",")

for (const name of ["terminal", "process", "queries", "connections", "neighbours"]) {
  if (chosen === undefined || chosen.includes(name)) await import(`./attacks/${name}.ts`)
}
export {}
