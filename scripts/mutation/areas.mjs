/**
 * What is mutated: limits, comparisons and defaults that users rely on. Each area is run by the tests of its package.
 * @type {ReadonlyArray<{ readonly name: string, readonly package: string, readonly files: ReadonlyArray<string> }>}
 */
export const areas = [
  { name: "core", package: "core", files: ["*.ts", "internal/*.ts", "!index.ts", "!Tables.ts"] },
  { name: "pickle machine", package: "pickle", files: ["machine/*.ts", "!machine/python2Names.ts"] },
  { name: "pickle values", package: "pickle", files: ["values/*.ts"] },
  {
    name: "formats bounds",
    package: "formats",
    files: ["internal/compression/compression.ts", "internal/compression/output.ts", "internal/zip.ts"]
  },
  { name: "results run", package: "results", files: ["internal/run/*.ts"] },
  { name: "results local", package: "results", files: ["internal/local/*.ts"] },
  { name: "results remote", package: "results", files: ["internal/remote/*.ts"] },
  { name: "results archive", package: "results", files: ["internal/archive/*.ts"] },
  { name: "api http", package: "api", files: ["internal/http/*.ts"] },
  { name: "api pages", package: "api", files: ["internal/pages.ts", "internal/graphql/pages.ts"] },
  { name: "api keyset", package: "api", files: ["internal/graphql/keyset.ts"] },
  { name: "server compiler", package: "server", files: ["internal/compiler.ts"] },
  { name: "server conditions", package: "server", files: ["internal/conditions.ts"] }
]
