import { assert, describe, it } from "@effect/vitest"
import { posix, win32 } from "node:path"
import { normalizePosix, normalizeWindows } from "../src/internal/path.ts"

/** Every text of up to so many of the parts. */
function* texts(parts: ReadonlyArray<string>, most: number): Generator<string> {
  yield ""
  if (most === 0) return
  for (const part of parts) for (const rest of texts(parts, most - 1)) yield part + rest
}

describe("paths of other machines", () => {
  it("are normal as node:path has them", () => {
    const wrong = [...texts(["/", ".", "..", "a", "\\"], 6)]
      .filter((path) => normalizePosix(path) !== posix.normalize(path))
    assert.deepStrictEqual(wrong, [])
  })

  it("of Windows too, with slashes", () => {
    const wrong: Array<string> = []
    for (const root of ["C:\\", "c:/", "\\\\", "\\\\host\\share", "\\\\host", "\\\\host\\\\share\\"]) {
      for (const rest of texts(["/", "\\", ".", "..", "a"], 5)) {
        const path = root + rest
        // `\\\\.\\` names devices, which versions of Node.js take differently and no result is in.
        if (/^[\\/]{2}\.+(?:[\\/]|$)/.test(path)) continue
        // A share ends in a slash or does not; locations have none at their end.
        const ends = (text: string) => text.replace(/(?<=.)\/$/, "")
        if (ends(normalizeWindows(path)) !== ends(win32.normalize(path).replaceAll("\\", "/"))) wrong.push(path)
      }
    }
    assert.deepStrictEqual(wrong, [])
  })
})
