/** No regular expression of the sources takes more than linear time, whatever text it is given. */
import { assert, describe, it } from "@effect/vitest"
import { globSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { parseSync } from "oxc-parser"
import { slowTexts } from "./support/slowTexts.ts"

/** A node of the parsed program, whose type determines its fields. */
interface Node {
  readonly type: string
  readonly start: number
  readonly [field: string]: unknown
}

const root = join(import.meta.dirname, "../..")

interface Found {
  readonly where: string
  readonly source: string
  readonly flags: string
}

/** The regular expressions of a file, including those of templates and constants. */
const patternsOf = (file: string): ReadonlyArray<Found> => {
  const text = readFileSync(join(root, file), "utf8")
  const { program } = parseSync(file, text)
  const constants = new Map<string, string>()
  const found: Array<Found> = []

  /** The value of an expression of string literals; undefined when a part of it is unknown. */
  const valueOf = (node: Node): string | undefined => {
    if (node.type === "Literal" && typeof node["value"] === "string") return node["value"]
    if (node.type === "Identifier") return constants.get(String(node["name"]))
    if (node.type === "BinaryExpression" && node["operator"] === "+") {
      const [left, right] = [valueOf(node["left"] as Node), valueOf(node["right"] as Node)]
      return left === undefined || right === undefined ? undefined : left + right
    }
    if (node.type !== "TemplateLiteral") return undefined
    const expressions = node["expressions"] as ReadonlyArray<Node>
    const quasis = node["quasis"] as ReadonlyArray<{ readonly value: { readonly cooked: string } }>
    return quasis.map(({ value }, index) => {
      const expression = expressions[index]
      // Values inserted at run time are escaped text or names, represented by a letter.
      return value.cooked + (expression === undefined ? "" : valueOf(expression) ?? "x")
    }).join("")
  }
  const visit = (node: Node): void => {
    const where = () => `${file}:${text.slice(0, node.start).split("\n").length}`
    const { init, id, regex, callee } = node as Node & {
      readonly init?: Node | null
      readonly id?: Node
      readonly regex?: { readonly pattern: string; readonly flags: string }
      readonly callee?: Node
    }
    if (node.type === "VariableDeclarator" && id?.type === "Identifier" && init !== null && init !== undefined) {
      const value = valueOf(init)
      if (value !== undefined) constants.set(String(id["name"]), value)
    }
    if (node.type === "Literal" && regex !== undefined) {
      found.push({ where: where(), source: regex.pattern, flags: regex.flags })
    }
    if ((node.type === "NewExpression" || node.type === "CallExpression") && callee?.["name"] === "RegExp") {
      const [source, flags] = node["arguments"] as ReadonlyArray<Node>
      const value = source === undefined ? undefined : valueOf(source)
      assert.isDefined(value, `${where()}: the source of the expression is not known`)
      found.push({ where: where(), source: value!, flags: flags === undefined ? "" : String(flags["value"]) })
    }
  }
  const walk = (value: unknown): void => {
    if (typeof value !== "object" || value === null) return
    if (!Array.isArray(value) && "type" in value) visit(value as Node)
    for (const inner of Object.values(value)) walk(inner)
  }
  walk(program)
  return found
}

/** The processor time of this process in milliseconds: on a busy machine, elapsed time says nothing about a text. */
const computed = (): number => {
  const { system, user } = process.cpuUsage()
  return (system + user) / 1000
}

/** Milliseconds that an expression takes for a text. */
const elapsedOf = (pattern: RegExp, text: string): number => {
  pattern.lastIndex = 0
  const start = performance.now()
  if (pattern.global) text.replace(pattern, "")
  else pattern.exec(text)
  return performance.now() - start
}

/** Milliseconds of the fastest of three runs, or of fewer when one is quick enough. */
const timeOf = (pattern: RegExp, text: string, enough: number): number => {
  // Other threads of the process add to its processor time, other processes to the elapsed time: the text takes neither.
  let best = elapsedOf(pattern, text)
  for (let run = 1; run < 3 && best > enough; run++) {
    const before = computed()
    best = Math.min(best, elapsedOf(pattern, text), computed() - before)
  }
  return best
}

const small = 800
const large = 8 * small

/** The text for which the time per character grows with its length; undefined when there is none. */
const slowText = (source: string, flags: string): string | undefined => {
  const pattern = new RegExp(source, flags)
  // Step by step: for an expression of exponential time, a text of a few dozen characters would never end.
  const textsOf = slowTexts(source, flags)
  for (let length = 16; length < 200; length = Math.ceil(length * 1.25)) {
    const slow = textsOf(length).find((text) => timeOf(pattern, text, 60) > 60)
    if (slow !== undefined) return slow
  }
  const smaller = textsOf(small)
  return textsOf(large).find((text, index) => {
    const time = timeOf(pattern, text, 10)
    // Linear time over such a short text cannot be measured; over eight times the text, quadratic time is 64 times as
    // long.
    return time > 10 && time > 24 * timeOf(pattern, smaller[index]!, 1)
  })
}

describe("every regular expression of the sources", () => {
  const files = globSync("packages/*/src/**/*.{ts,tsx}", { cwd: root }).toSorted()
  const patterns = files.flatMap(patternsOf)

  it("is found", () => {
    assert.isAbove(patterns.length, 150)
    assert.isTrue(patterns.some(({ source }) => source.includes("(\\d{4})-(\\d\\d)-(\\d\\d)[T ]")))
  })

  it("and one that is not linear would be noticed", () => {
    for (
      const source of [
        "^(a+)+$",
        "^[\\s=]+={0,2}\\s*$",
        "\\/+$",
        "^(?:[0-9]+\\.?[0-9]*)$",
        "\\?.*sig=",
        "(:\\/)[^/]*:[^/]*@"
      ]
    ) {
      assert.isDefined(slowText(source, ""), source)
    }
  })

  it("takes time in proportion to its text", () => {
    const seen = new Set<string>()
    const slow = patterns.flatMap(({ flags, source, where }) => {
      // Without unbounded repetition an expression cannot be slow.
      if (!/[*+]|,\}/.test(source) || seen.has(`${source}/${flags}`)) return []
      seen.add(`${source}/${flags}`)
      const text = slowText(source, flags)
      return text === undefined ? [] : [`${where} /${source}/${flags}: ${JSON.stringify(text.slice(0, 40))}…`]
    })
    assert.deepStrictEqual(slow, [])
  })
})
