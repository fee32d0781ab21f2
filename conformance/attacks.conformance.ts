/**
 * Attacks on the command, the servers and the library, each in a way that shows whether it succeeds: hostile queries,
 * neighbours, connections and storms of `serve` and `ui`, backends and stores that lie, results that fill the memory, texts for
 * terminals, signals and files.
 * `ATTACKS=terminal` selects one of them.
 */
const chosen = process.env["ATTACKS"]?.split(",")

for (const name of ["memory", "terminal", "process", "servers", "queries", "connections", "storms", "neighbours"]) {
  if (chosen === undefined || chosen.includes(name)) await import(`./attacks/${name}.ts`)
}
export {}
