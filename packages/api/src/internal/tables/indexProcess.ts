/** The process that makes an index: gets the tables and where the index goes, and tells how far it is. */
import { type BuildAnswer, type BuildRequest } from "./indexBuild.ts"
import { build } from "./indexFile.ts"

const answer = (message: BuildAnswer) => process.send?.(message)

// A terminal interrupts its whole group: the process that started this one decides, and ends it.
for (const signal of ["SIGINT", "SIGHUP"] as const) process.on(signal, () => {})
process.on("disconnect", () => process.exit())

process.once("message", ({ sources, target }: BuildRequest) => {
  const { signal } = new AbortController()
  build(sources, target, signal, (bytes) => answer({ _tag: "Read", bytes })).then(
    (digests) => answer({ _tag: "Made", digests }),
    (error: { readonly code?: unknown }) => answer({ _tag: "Failed", code: String(error.code ?? "unknown error") })
  )
})
