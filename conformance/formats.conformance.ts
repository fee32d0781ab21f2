/**
 * Every format, as written by pandas 0.25 to 3, pyarrow 0.17 to the newest and the serializers of Prefect 0.15 and 1.4,
 * compared with their own readers. The files are written again each time.
 */
import * as JsonProjection from "@effect-prefect/formats/JsonProjection"
import * as ResultFormat from "@effect-prefect/formats/ResultFormat"
import * as Effect from "effect/Effect"
import { deepStrictEqual, fail, ok } from "node:assert"
import { readFileSync, rmSync } from "node:fs"
import { join } from "node:path"
import { check } from "./support/check.ts"
import { folder, root } from "./support/folder.ts"
import { differs, normal } from "./support/formats.ts"
import { prefect015, prefect1, type Requirements, venv } from "./support/python.ts"

const pandas: ReadonlyArray<readonly [version: string, requirements: Requirements]> = [
  ["0.25.3", {
    name: "pandas-0.25",
    python: "3.6",
    packages: ["pandas==0.25.3", "numpy==1.17.5", "pyarrow==0.17.1", "zstandard"]
  }],
  ["1.3.5", {
    name: "pandas-1.3",
    python: "3.7",
    packages: ["pandas==1.3.5", "numpy==1.21.6", "pyarrow==12.0.1", "zstandard"]
  }],
  ["2.2.3", {
    name: "pandas-2.2",
    python: "3.9",
    packages: ["pandas==2.2.3", "numpy==1.26.4", "pyarrow==15.0.2", "zstandard"]
  }],
  ["3.1", { name: "pandas-3", python: "3.11", packages: ["pandas==3.*", "pyarrow", "zstandard"] }]
]

interface Line {
  readonly file: string
  readonly format: ResultFormat.Format | null
  readonly value: unknown
}

/** Runs a script that fills a folder, and compares our values with its expectations. */
const compare = async (requirements: Requirements, script: string, version: string): Promise<void> => {
  const python = await venv(requirements)
  const out = join(folder("formats"), requirements.name)
  rmSync(out, { recursive: true, force: true })
  const { stdout } = await python.run(["-W", "ignore", join(root, "conformance", script), out])
  console.log(stdout.trimEnd().replace(/^/gm, "        "))
  const lines = readFileSync(join(out, "expected.jsonl"), "utf8").trimEnd().split("\n").map((line) =>
    JSON.parse(line) as Line
  )
  ok(lines.length > 40, "there are many files")
  const wrong: Array<string> = []
  for (const { file, format, value } of lines) {
    if (differs(file, version)) continue
    const read = ResultFormat.decode(readFileSync(join(out, file)), {
      name: file,
      maxBytes: 1 << 26,
      format: format ?? undefined
    })
    const exit = await Effect.runPromiseExit(Effect.flatMap(read, (decoded) => JsonProjection.toJson(decoded)))
    try {
      deepStrictEqual(exit._tag === "Success" ? normal(exit.value) : String(exit.cause), normal(value))
    } catch (error) {
      wrong.push(`${file}: ${error instanceof Error ? error.message : String(error)}`)
    }
  }
  if (wrong.length > 0) fail(`${wrong.length} of ${lines.length} differ\n${wrong.join("\n")}`)
}

for (const [version, requirements] of pandas) {
  await check(`what pandas ${version} writes and reads`, () => compare(requirements, "formats_make.py", version))
}
for (const [version, requirements] of [["1.3.5", prefect015], ["3.1", prefect1]] as const) {
  await check(
    `what the serializers of ${requirements.name} write and read`,
    () => compare(requirements, "formats_prefect.py", version)
  )
}
