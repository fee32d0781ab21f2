/** Answers of many megabytes are parsed in steps, and are what `JSON.parse` makes of them. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { isTooDeep, isTooDeepSteps, maxDepth } from "../src/internal/depth.ts"
import { parsePrecisely } from "../src/internal/http/failure.ts"
import { parseInPieces, parseLong } from "../src/internal/http/pieces.ts"

const row = (id: number) => ({
  id,
  name: `row "${id}" [\\]{},`,
  tags: ["a", "b", [id]],
  state: { type: "Success", text: "é\u2028\\".repeat(500), nothing: null }
})
const rows = Array.from({ length: 600 }, (_, id) => row(id))

/** The value of a text, and the number of times at which others could work. */
const parsed = (text: string, length?: number, isRow?: boolean): readonly [unknown, number] => {
  const steps = parseInPieces(text, parsePrecisely, length, isRow)
  for (let turns = 0;; turns++) {
    const step = steps.next()
    if (step.done === true) return [step.value, turns]
  }
}

const values: Record<string, unknown> = {
  "rows of GraphQL": { data: { task_run: rows } },
  "two fields of rows": { data: { before: [], task_run: rows, flow_run: rows, after: 1 }, errors: [] },
  "rows of REST": rows,
  "rows below a key": { results: rows, count: rows.length, next: null },
  "rows of which one is large": { data: { task_run: [rows[0], { ...rows[1], rows }, rows[2]] } },
  "rows that have lists of such rows": {
    data: { flow_run: rows.slice(0, 60).map((each) => ({ id: each.id, task_runs: rows.slice(0, 20) })) }
  },
  "rows of different keys": rows.map((each) => ({ [`k${each.id}`]: each, __proto__x: 1 })),
  "one row that is large": { data: { task_run: [rows[0], { id: 1, state: { rows, more: { rows } } }, rows[2]] } },
  "a row of a long text": {
    data: { task_run: [{ id: 1, text: "a\"\\\u2028é".repeat(300_000), after: [1] }, rows[1]] }
  },
  "an object of a long text and a key like no other": JSON.parse(
    `{"a":"${"x".repeat(2_000_000)}","__proto__":[1]}`
  ) as unknown,
  "rows that are nested deeper": { data: { a: { b: { c: rows } } } },
  "a list of lists": [rows, rows]
}

describe("the depth of a row that was not parsed in steps", () => {
  const nested = (levels: number): unknown => JSON.parse(`${"[".repeat(levels)}1${"]".repeat(levels)}`)
  const wide = (value: unknown, width: number) => [...Array.from({ length: width }, (_, at) => ({ at })), value]
  /** The steps are told, too. */
  const deepOf = (row: object) => {
    const steps = isTooDeepSteps(row)
    for (let turns = 0;; turns++) {
      const step = steps.next()
      if (step.done === true) return { isDeep: step.value, turns }
    }
  }

  it("is the same in steps", () => {
    for (const levels of [1, maxDepth - 4, maxDepth - 3, maxDepth - 2, maxDepth]) {
      for (const width of [0, 10, 3_000, 5_000]) {
        const row = { id: 1, a: { b: wide(nested(levels), width) }, c: {} }
        assert.strictEqual(deepOf(row).isDeep, isTooDeep(row), `${levels} ${width}`)
      }
      // Containers that have many values each, within one another.
      let value = nested(levels - Math.min(levels, 100))
      for (let at = 0; at < 100; at++) value = at % 2 === 0 ? wide(value, 60) : { value, more: wide(1, 60) }
      const row = { id: 1, value }
      assert.strictEqual(deepOf(row).isDeep, isTooDeep(row), String(levels))
    }
  })

  it("takes a step for some thousands of values, whatever holds them", () => {
    for (const row of [{ list: wide(1, 60_000) }, { rows: wide(1, 300).map(() => wide(1, 100)) }]) {
      assert.isAtLeast(deepOf(row).turns, 10)
    }
  })
})

describe("a long answer", () => {
  for (const [name, value] of Object.entries(values)) {
    for (const space of [0, 1]) {
      it(`of ${name} is the same in pieces${space === 0 ? "" : ", with white space"}`, () => {
        const text = JSON.stringify(value, null, space)
        const [read, turns] = parsed(text)
        assert.isTrue(JSON.stringify(read) === JSON.stringify(JSON.parse(text)))
        assert.isAtLeast(turns, 3)
      })
    }
  }

  it("keeps integers that are no numbers", () => {
    const text = `{"data":{"task_run":[${
      rows.map((each) => JSON.stringify(each)).join(",")
    },{"n":12345678901234567890}]}}`
    assert.strictEqual(JSON.stringify(parsed(text)[0]), text)
  })

  for (const before of ["", "x".repeat(600_000)]) {
    it(`keeps the digits of rows beside one that is nested deep${before === "" ? "" : ", in pieces"}`, () => {
      const deep = `${"[".repeat(200_000)}12345678901234567890${"]".repeat(200_000)}`
      const text = `{"data":{"task_run":[{"n":12345678901234567890,"x":"${before}"},{"state":${deep}},{"n":2}]}}`
      const [read] = parsed(text) as [{ data: { task_run: ReadonlyArray<object> } }, number]
      const { task_run: [first, second, third] } = read.data
      assert.strictEqual(JSON.stringify(first), `{"n":12345678901234567890,"x":"${before}"}`)
      assert.isTrue(isTooDeep(second))
      assert.isFalse(isTooDeep(first))
      assert.deepStrictEqual(third, { n: 2 })
    })
  }

  it("knows of a long row whether it is nested deep", () => {
    const deepened = (levels: number) =>
      JSON.parse(`[{"a":{"b":[${JSON.stringify(rows)},${"[".repeat(levels)}${"]".repeat(levels)}]}}]`) as unknown
    for (const [levels, isDeep] of [[maxDepth - 3, false], [maxDepth - 2, true]] as const) {
      const [[row]] = parsed(JSON.stringify(deepened(levels))) as [[unknown], number]
      assert.strictEqual(isTooDeep(row), isDeep)
      assert.strictEqual(isTooDeep((deepened(levels) as [unknown])[0]), isDeep)
    }
  })

  it("that is a row itself is known to be deep or not", () => {
    for (const [levels, isDeep] of [[maxDepth - 3, false], [maxDepth - 2, true]] as const) {
      const text = `{"id":"a","b":{"c":[${JSON.stringify(rows)},${"[".repeat(levels)}${"]".repeat(levels)}]}}`
      const [row] = parsed(text, undefined, true) // What is known is believed, so that the row is not looked through at once.
      ;(row as { b: unknown }).b = null
      assert.strictEqual(isTooDeep(row), isDeep)
    }
  })

  const text = JSON.stringify(values["rows of GraphQL"])
  for (
    const [name, bad] of Object.entries({
      "is cut off": text.slice(0, -1_000),
      "is cut off in a string": text.slice(0, text.indexOf("row", text.length - 1_000)),
      "closes an array as an object": `${text.slice(0, -3)}}}}`,
      "has two commas": text.replace("{\"id\":300,", ",{\"id\":300,"),
      "ends in a comma": `${text.slice(0, -3)},]}}`,
      "has more after its end": `${text}]`,
      "is no JSON": "x".repeat(600_000)
    })
  ) {
    it.effect(`that ${name} has no value`, () =>
      Effect.gen(function*() {
        assert.throws(() => JSON.parse(bad), SyntaxError)
        assert.strictEqual(yield* parseLong(bad, parsePrecisely), "no JSON")
      }))
  }

  it.live("gives others their turns, and can be interrupted", () =>
    Effect.gen(function*() {
      const many = JSON.stringify({ data: { task_run: Array.from({ length: 6 }, () => rows).flat() } })
      let turns = 0
      const others = setInterval(() => turns++, 1)
      const result = yield* Effect.ensuring(
        parseLong(many, parsePrecisely),
        Effect.sync(() => clearInterval(others))
      )
      assert.notStrictEqual(result, "no JSON")
      assert.isAbove(turns, 1)
      assert.isTrue(
        yield* Effect.raceFirst(
          Effect.as(parseLong(many, parsePrecisely), false),
          Effect.as(Effect.sleep("2 millis"), true)
        )
      )
    }))
})
