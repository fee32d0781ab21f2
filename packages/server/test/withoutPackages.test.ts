import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { execFile } from "node:child_process"
import { join } from "node:path"
import process from "node:process"
import { pathToFileURL } from "node:url"

const support = join(import.meta.dirname, "support")
const hiding = pathToFileURL(join(support, "withoutPackages.mjs")).href
const archive = join(import.meta.dirname, "../../../fixtures/prefect-1")

/** The errors of a server in a process that lacks each of these in turn. */
const errorsWithout = (...names: ReadonlyArray<string>) =>
  Effect.callback<string>((resume) => {
    execFile(
      process.execPath,
      [
        "--conditions=@effect-prefect/source",
        join(support, "serveWithout.ts"),
        archive,
        ...names
      ],
      // The variable, because the flags of the process do not apply to the thread of the database.
      { env: { ...process.env, NODE_OPTIONS: `--import=${hiding}` } },
      (error, stdout, stderr) => resume(error === null ? Effect.succeed(stdout) : Effect.die(`${error}\n${stderr}`))
    )
  })

describe("without its packages", () => {
  it.live("the server says what to install", () =>
    Effect.gen(function*() {
      // One that was loaded stays, so that the one that this thread loads is missing first.
      const said = yield* errorsWithout("graphql", "@electric-sql/pglite")
      const [graphql, pglite] = said.split("\n")
      assert.strictEqual(graphql, "ServerError: the server needs the package graphql: npm install graphql")
      assert.strictEqual(
        pglite,
        "DatabaseError: an archive needs the package @electric-sql/pglite: npm install @electric-sql/pglite"
      )
    }))
})
