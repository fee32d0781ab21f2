import { assert } from "@effect/vitest"
import type { Running } from "./support.ts"

/** The command, started as a process or in this one, once it has said where the page is. */
export const openPage = async (
  begin: (args: ReadonlyArray<string>) => Omit<Running, "closeOutput">,
  ...words: ReadonlyArray<string>
) => {
  const child = begin(["ui", "--port", "0", ...words])
  const isUp = async () => {
    while (!child.said.stdout.includes("\n")) await new Promise((resolve) => setTimeout(resolve, 5))
  }
  await Promise.race([isUp(), child.closed])
  const { stdout } = child.said
  const match = /^The page is at (http:\/\/127\.0\.0\.1:\d+)\/#token=([\w-]{43}) \(Ctrl-C ends it\)\n$/.exec(stdout)
  assert.isNotNull(match, `${stdout}${child.said.stderr}`)
  return {
    url: match?.[1] ?? "",
    token: match?.[2] ?? "",
    stop: async () => {
      child.kill("SIGTERM")
      const code = await child.closed
      return { code, stdout: child.said.stdout, stderr: child.said.stderr }
    },
    [Symbol.asyncDispose]: () => child[Symbol.asyncDispose]()
  }
}
