/**
 * Pickles of pandas and NumPy, from the oldest to the newest supported version: every dtype, index, layout of blocks
 * and scalar, in every protocol, compared value for value with that pandas.
 */
import { loads } from "@effect-prefect/pickle"
import { describe } from "@effect-prefect/pickle/testing"
import { join } from "node:path"
import { assertSameForm, normalize } from "./pickle/oracle.ts"
import { check } from "./support/check.ts"
import { type Requirements, venv } from "./support/python.ts"

const environments: ReadonlyArray<Requirements> = [
  { name: "pandas-0.25", python: "3.7", packages: ["pandas==0.25.3", "numpy==1.17.5"] },
  { name: "pandas-1.0", python: "3.8", packages: ["pandas==1.0.5", "numpy==1.18.5"] },
  { name: "pandas-1.1", python: "3.8", packages: ["pandas==1.1.5", "numpy==1.19.5"] },
  { name: "pandas-1.3", python: "3.7", packages: ["pandas==1.3.5", "numpy==1.21.6"] },
  { name: "pandas-1.5", python: "3.10", packages: ["pandas==1.5.3", "numpy==1.24.4", "pyarrow==12.0.1"] },
  { name: "pandas-2.2", python: "3.11", packages: ["pandas==2.2.3", "numpy==1.26.4", "pyarrow==16.1.0"] },
  { name: "pandas-3", python: "3.11", packages: ["pandas>=3,<4", "numpy>=2", "pyarrow"] }
]

/** The part of a form to compare: none where the two sides have no common vocabulary. */
const comparable = (form: unknown, model: unknown): unknown => {
  if (Array.isArray(form) && Array.isArray(model)) return form.map((item, i) => comparable(item, model[i]))
  if (typeof form !== "object" || form === null || typeof model !== "object" || model === null) return form
  if ((model as { readonly t?: unknown }).t === "skip") return { t: "skip" }
  return Object.fromEntries(
    Object.entries(form).map((
      [key, value]
    ) => [key, comparable(value, (model as Readonly<Record<string, unknown>>)[key])])
  )
}

for (const environment of environments) {
  const python = await venv(environment)
  const { stdout } = await python.run([join(import.meta.dirname, "pickle", "frames.py")])
  const lines = stdout.split("\n").filter((line) => line !== "")
  const failures: Array<string> = []
  for (const line of lines) {
    const { data, form, name } = JSON.parse(line) as {
      readonly name: string
      readonly data: string
      readonly form: unknown
    }
    try {
      const value = loads(Buffer.from(data, "base64"), { floats: "typed" })
      assertSameForm(normalize(comparable(describe(value), form)), normalize(form), name)
    } catch (error) {
      failures.push(`${name}: ${String(error)}`)
    }
  }
  await check(`${lines.length} pickles of ${environment.name}`, () => {
    if (lines.length < 200) throw new Error(`only ${lines.length} pickles were made`)
    if (failures.length > 0) {
      throw new Error(
        `${failures.length} of ${lines.length}\n${
          failures.slice(0, Number(process.env["PICKLE_SHOW"] ?? "5")).join("\n")
        }`
      )
    }
  })
}
