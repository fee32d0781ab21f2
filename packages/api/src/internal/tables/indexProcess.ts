/** The process that builds an index: receives the tables and the path of the index, and reports its progress. */
import { type BuildAnswer, type BuildRequest } from "./indexBuild.ts"
import { build } from "./indexFile.ts"

const answer = (message: BuildAnswer) => process.send?.(message)

// A terminal interrupts the whole process group: the parent decides, and ends this process.
for (const signal of ["SIGINT", "SIGHUP"] as const) process.on(signal, () => {})
process.on("disconnect", () => process.exit())

process.once("message", ({ sources, target }: BuildRequest) => {
  const { signal } = new AbortController()
  build(sources, target, signal, (bytes) => answer({ _tag: "Read", bytes })).then(
    (digests) => answer({ _tag: "Made", digests }),
    (error: { readonly code?: unknown }) => answer({ _tag: "Failed", code: String(error.code ?? "unknown error") })
  )
})
