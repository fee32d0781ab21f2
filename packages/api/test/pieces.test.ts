/** Where JSON text is cut into pieces, and that their values are those of the whole text. */
import { assert, describe, it, vi } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { longestTurn } from "../../core/test/longestTurn.ts"
import { isTooDeep, maxDepth } from "../src/internal/depth.ts"
import { parseInPieces, parseLong } from "../src/internal/http/pieces.ts"

/** The value of a text, the pieces of it that were parsed, and how often others could work meanwhile. */
const read = (text: string, length?: number) => {
  const pieces: Array<string> = []
  let turns = 0
  const steps = parseInPieces(
    text,
    (piece) => {
      pieces.push(piece)
      return JSON.parse(piece) as unknown
    },
    length
  )
  for (;; turns++) {
    const step = steps.next()
    if (step.done === true) return { value: step.value, pieces, turns }
  }
}

const outcome = (body: () => unknown): string => {
  try {
    return JSON.stringify(body())
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
    return "no JSON"
  }
}

/** The text, if it is read as another value than `JSON.parse` gives. */
const wrong = (text: string, length?: number): ReadonlyArray<string> =>
  outcome(() => read(text, length).value) === outcome(() => JSON.parse(text))
    ? []
    : [`${length}: ${text.slice(0, 300)}`]

/** The lengths at which a default would cut, and at which a string is long. */
const pieceLength = 0x1a000
const longString = 0x100000
/** The longest text between two rows that is searched for. */
const maxSeparator = 256

describe("a long row that is read for its keys", () => {
  const list = Array.from({ length: 6_000 }, (_, id) => ({ id, tags: ["a", { b: [id] }] }))
  const row = {
    id: "r",
    task: { id: "t", slug: "s" },
    serialized_state: { message: "m", context: { list, more: { list } }, cached_inputs: { list }, type: "Success" },
    tags: list,
    map_index: 3
  }
  const steps = (text: string, isRow: true | "keys") => {
    const values = parseInPieces(text, (piece) => JSON.parse(piece) as unknown, undefined, isRow)
    for (;;) {
      const step = values.next()
      if (step.done === true) return step.value
    }
  }

  it("has them, and nothing of what is deeper in it, which is none of them", () => {
    const text = JSON.stringify(row)
    assert.isTrue(JSON.stringify(steps(text, true)) === text)
    const { serialized_state, tags, ...rest } = steps(text, "keys") as typeof row
    assert.deepStrictEqual(rest, { id: "r", task: row.task, map_index: 3 } as never)
    assert.strictEqual(serialized_state.type, "Success")
    assert.strictEqual(serialized_state.message, "m")
    assert.isBelow(JSON.stringify(serialized_state).length, 500)
    assert.isAtMost(tags.length, list.length)
  })

  it("is none where it is no JSON, however deep that is", () => {
    const text = JSON.stringify(row)
    for (
      const wrong of [text.replace("[5000]", "[5000 1]"), text.slice(0, -1), `${text}]`, text.replace("[7]", "[7,]")]
    ) {
      assert.throws(() => steps(wrong, "keys"), SyntaxError)
    }
  })
})

describe("JSON text in pieces", () => {
  const texts = [
    ` {"a" : [ {"id":1, "t":"\\\\\\"x"} , {"id":2,"c":[{"id":3},{"id":4}]},{"id":5} ],"b":{"":{},"x":[[],[ ]]}, "c":null } `,
    `[{"id":1,"l":[{"id":1},{"id":2}]},{"id":2,"l":[]},{"id":3,"s":"},{\\"id\\":"},{"id":4}]`,
    `[1,-2.5e3,"",true,[[[[[["a,b"]]]]]],{"a":1,"a":2}]`,
    `{"data":{"rows":[{"id":1},{"id":2},{"no":3},{"id":4}, {"id":5}\n,\t{\r"id":6}]}}`,
    `{"__proto__":{"a":[1,2,3,4]},"b":{"__proto__":1,"c":"${"x".repeat(70)}\\\\\\"${"y".repeat(40)}"}}`
  ]

  it("has the value that JSON.parse gives it, or none, wherever its pieces end", () => {
    const found: Array<string> = []
    for (const whole of texts) {
      for (let at = 0; at <= whole.length; at++) {
        for (const length of [1, 7, 40]) {
          found.push(...wrong(whole.slice(0, at), length))
          found.push(...wrong(whole.slice(0, at) + whole.slice(at + 1), length))
          for (const other of "[]{}") found.push(...wrong(whole.slice(0, at) + other + whole.slice(at + 1), length))
        }
        for (const more of "[]{},:\" 1\\") found.push(...wrong(whole.slice(0, at) + more + whole.slice(at), 7))
      }
    }
    assert.deepStrictEqual(found, [])
  })

  it("may end a piece anywhere in a string, within an escape, too", () => {
    const found: Array<string> = []
    for (const length of [33, 40, 64, 100]) {
      for (let before = 0; before < 140; before++) {
        for (const escape of ["\\\\", "\\\"", "\\\\\\\"", "\\n"]) {
          for (const after of [0, 1, 40]) {
            found.push(...wrong(`["${"x".repeat(before)}${escape}${"y".repeat(after)}", 1]`, length))
          }
        }
      }
    }
    assert.deepStrictEqual(found, [])
  })

  it("is parsed at once where it is no array and no object", () => {
    for (const text of [" 5 ", "\"[1,2]\"", "null", "\n\r\t [1]"]) {
      const { pieces, value } = read(text, 1)
      assert.deepStrictEqual(value, JSON.parse(text))
      assert.deepStrictEqual(pieces, [text.includes("\n") ? "[1]" : text])
    }
    for (const text of ["", " ", "x"]) assert.throws(() => read(text), SyntaxError)
  })

  const rows = Array.from({ length: 40 }, (_, at) => ({ id: 10 + at, tags: [{ id: 1 }, { id: 2 }] }))

  it("is cut between rows that are alike, in pieces of about the length", () => {
    for (const space of [undefined, 1]) {
      const text = JSON.stringify(rows, null, space)
      const { pieces, value } = read(text, 100)
      assert.deepStrictEqual(value, rows)
      const each = text.length / rows.length
      assert.isAbove(pieces.length, rows.length * each / (100 + 2 * each))
      assert.isBelow(pieces.length, rows.length * each / (100 - each))
      for (const piece of pieces) {
        const values = JSON.parse(piece) as ReadonlyArray<unknown>
        assert.isTrue(values.every((one) => typeof one === "object"), piece)
        assert.isBelow(piece.length, 100 + 3 * each)
      }
      // What is guessed at is not looked at: the text of all pieces is that of all rows, parsed once.
      assert.strictEqual(pieces.join("").trimStart().length, text.length + pieces.length - 1 - (space === 1 ? 2 : 0))
    }
  })

  /** How many values each piece of an array or object has. */
  const counts = (text: string, length?: number): ReadonlyArray<number | string> => {
    const { pieces, value } = read(text, length)
    assert.deepStrictEqual(value, JSON.parse(text), text.slice(0, 300))
    return pieces.map((piece) => {
      try {
        return Object.keys(JSON.parse(piece) as object).length
      } catch {
        return "no JSON"
      }
    })
  }

  const list = (size: number, element: (at: number) => string, between = ",") =>
    `[${Array.from({ length: size }, (_, at) => element(at)).join(between)}]`
  const row = (at: number) => `{"a":${10 + at}}`

  // Which pieces are parsed: where it is known what is between two rows, a piece ends at the first such place that is
  // further than the length; where each character is looked at, at the last comma before it.
  it("is cut between rows without a look at each character", () => {
    assert.deepStrictEqual(counts(list(12, row), 20), [2, 3, 3, 3, 1])
    assert.deepStrictEqual(counts(list(12, row, " \r\n\t,"), 24), [1, 3, 3, 3, 2])
    assert.deepStrictEqual(counts(list(12, row, ", \r\n\t"), 24), [2, 2, 2, 2, 2, 1, 1])
    assert.deepStrictEqual(counts(list(12, (at) => `{ "a":${10 + at} }`), 24), [2, 3, 3, 3, 1])
    // Far into the text, too. The text before the rows is an object, and a key.
    const { pieces } = read(`{"b":"${"x".repeat(maxSeparator)}","rows":${list(12, row)}}`, 20)
    assert.deepStrictEqual(pieces.slice(2).map((piece) => Object.keys(JSON.parse(piece) as object).length), [
      3,
      3,
      3,
      2,
      1
    ])
  })

  it("is looked at for a moment only before it is known what is between two rows, however long these are", () => {
    const answer = (width: number) => {
      const long = (at: number) => `{"id":${at},"tags":["a","b"],"text":"${"x".repeat(width)}"}`
      return `{"data":{"rows":${list(Math.ceil(400_000 / (width + 40)), long)}}}`
    }
    for (const width of [10, 1_000, 3_000, 5_000, 50_000]) {
      const text = answer(width)
      const { pieces, value } = read(text)
      assert.deepStrictEqual(value, JSON.parse(text))
      const first = pieces.find((piece) => piece.startsWith("[{"))!
      assert.isBelow(first.length, Math.max(5_000, 3 * width))
      assert.isBelow(pieces.length, 12)
    }
    // Where nothing is alike, each piece has about its usual length.
    for (const whole of [list(100_000, String), `{${list(50_000, (at) => `"${at}":[${at}]`).slice(1, -1)}}`]) {
      const { pieces, value } = read(whole)
      assert.deepStrictEqual(value, JSON.parse(whole))
      assert.isBelow(pieces.length, 12)
    }
  })

  it("is cut between rows whose keys are not too long", () => {
    for (const [size, pieces] of [[maxSeparator, [1, 2, 2, 1]], [maxSeparator + 1, [1, 1, 1, 1, 1, 1]]] as const) {
      const long = `{"${"k".repeat(size - "},{\"\"".length)}":1}`
      assert.deepStrictEqual(counts(list(6, () => long), long.length + 10), pieces)
    }
  })

  it("is cut between rows, not within them", () => {
    const nested = (inner: string) => {
      const text = list(8, (at) => `{"a":${10 + at},"l":${inner}}`)
      return counts(text, Math.floor(text.length / 6))
    }
    assert.deepStrictEqual(nested("[{\"b\":1},{\"b\":2}]"), [1, 2, 2, 2, 1])
    // One wrong guess tells that the brackets before the comma belong to it.
    for (
      const inner of [
        "[{\"a\":1},{\"a\":2}]",
        "{\"x\":[{\"a\":1},{\"a\":2}]}",
        "[ {\"a\":1},{\"a\":2}\n]\t",
        "[[{\"a\":1},{\"a\":2}]]"
      ]
    ) assert.deepStrictEqual(nested(inner), [1, "no JSON", 1, 2, 2, 1, 1], inner)
  })

  it("is looked at where its elements are not alike", () => {
    assert.deepStrictEqual(counts(list(20, (at) => `${1000 + at}`), 20), [4, 4, 4, 4, 4])
    assert.deepStrictEqual(counts(list(12, () => "{}"), 7), [2, 2, 3, 2, 2, 1])
    // Where the first two are an object and a list, two others may be alike.
    assert.deepStrictEqual(counts(list(12, (at) => at % 2 === 1 ? `["a",${10 + at}]` : row(at)), 20), [
      2,
      2,
      2,
      2,
      3,
      1
    ])
    // One that is much longer than a piece, and others after it.
    const long = `{"a":"${"x".repeat(60)}"}`
    assert.deepStrictEqual(counts(list(12, (at) => at === 6 ? long : row(at)), 20), [2, 3, 1, 1, 3, 2])
    assert.deepStrictEqual(counts(list(12, (at) => at > 6 ? `{"b":${10 + at}}` : row(at)), 20), [2, 3, 2, 2, 2, 1])
  })

  it("is cut after a long string, and as usual from there", () => {
    const ones = ",1".repeat(20) + ",\"1\"".repeat(20)
    for (const length of [longString, longString - 1]) {
      const long = `"${"x".repeat(length)}"`
      const { pieces, turns, value } = read(`[1,${long}${ones},${long}${ones}]`)
      assert.isBelow(turns, 50)
      assert.isTrue(JSON.stringify(value) === `[1,${long}${ones},${long}${ones}]`)
      const lists = pieces.filter((piece) => piece.startsWith("[")).map((piece) => piece.length)
      assert.deepStrictEqual(lists, ["[1]".length, ones.length + 1, ones.length + 1])
    }
  })

  it("may be empty", () => {
    for (const text of ["[]", "{}", " [ ] ", "[[]]", "[{}]", "{\"a\":[]}"]) {
      for (const length of [1, 2, 1_000]) assert.deepStrictEqual(read(text, length).value, JSON.parse(text), text)
    }
  })

  it("is not looked through again for the nesting of long rows", () => {
    const [row] = read(`[{"a":"${"x".repeat(50)}","b":[]},1]`, 20).value as readonly [{ b: Array<unknown> }]
    row.b.push(JSON.parse("[".repeat(maxDepth) + "]".repeat(maxDepth)))
    assert.isFalse(isTooDeep(row))
  })

  it("knows nothing of the nesting of what is within rows", () => {
    const deep = "[".repeat(maxDepth) + "]".repeat(maxDepth)
    for (const text of [`[{"a":${deep}},{}]`, `[[[${deep}],{}],{}]`, `{"rows":[{"a":${deep},"b":1}]}`]) {
      const within = (value: unknown, levels = 5): Array<boolean> =>
        typeof value !== "object" || value === null || levels === 0
          ? []
          : [isTooDeep(value), ...Object.values(value).flatMap((one) => within(one, levels - 1))]
      for (const length of [20, 300]) {
        assert.deepStrictEqual(
          within(read(text, length).value),
          within(JSON.parse(text)),
          `${length} ${text.slice(0, 20)}`
        )
      }
    }
  })

  it("is no longer guessed at where its rows are not alike", () => {
    // The text between two rows is within a string of each.
    const odd = `[${
      Array.from({ length: 60 }, (_, at) => `{"a":${at},"s":"},{\\"a\\":","l":[{"a":1},{"a":2}]}`).join(",")
    }]`
    for (let length = 40; length < 100; length++) {
      const { pieces, value } = read(odd, length)
      assert.deepStrictEqual(value, JSON.parse(odd))
      const failed = pieces.filter((piece) => outcome(() => JSON.parse(piece)) === "no JSON")
      assert.isAtMost(failed.length, 3, `${length}`)
    }
  })

  it("is not searched again for a place that was found far away", () => {
    const text = `[${row(0)},${row(1)},${"{\"b\":1},".repeat(60)}${row(2)},${row(3)}]`
    const search = vi.spyOn(String.prototype, "indexOf")
    const { value } = read(text, 20)
    const searches = search.mock.calls.filter(([wanted]) => wanted === "},{\"a\"").length
    search.mockRestore()
    assert.deepStrictEqual(value, JSON.parse(text))
    assert.isAtMost(searches, 2)
  })

  it("knows of long rows whether they are nested too deep", () => {
    const nested = (levels: number, isList: boolean, inner: string) =>
      (isList ? "[" : "{\"k\":").repeat(levels) + inner + (isList ? "]" : "}").repeat(levels)
    const filled = `"a":"${"x".repeat(50)}"`
    for (const isList of [true, false]) {
      for (const levels of [maxDepth - 3, maxDepth - 2, maxDepth - 1, maxDepth, maxDepth + 1]) {
        const deep = nested(levels, isList, "1")
        for (
          const text of [
            // The innermost is longer than a piece itself, and empty.
            `[{"b":${nested(levels - 1, isList, `{"a":"${"x".repeat(50)}"}`)}}]`,
            `[{"b":${nested(levels - 1, isList, `[${" ".repeat(50)}]`)}}]`,
            `[${deep}]`,
            `[{${filled},"b":${deep}},{${filled}}]`,
            `[{${filled}},{${filled},"b":[[${deep}],2]},{${filled}}]`,
            `{"data":{"rows":[{"b":{"c":${deep},${filled}},${filled}},{${filled}}]}}`
          ]
        ) {
          const rowsOf = (value: unknown): ReadonlyArray<unknown> =>
            Array.isArray(value) ? value : (value as { data: { rows: ReadonlyArray<unknown> } }).data.rows
          for (const length of [20, 300]) {
            assert.deepStrictEqual(
              rowsOf(read(text, length).value).map((row) => isTooDeep(row)),
              rowsOf(JSON.parse(text)).map((row) => isTooDeep(row)),
              `${levels} ${length} ${text.slice(0, 30)}`
            )
          }
        }
      }
    }
  })

  it("has __proto__ as a key like any other", () => {
    const text = `{"__proto__":[${"1,".repeat(50)}1],"b":1}`
    for (const length of [10, 1_000]) {
      assert.deepStrictEqual(
        Object.getOwnPropertyDescriptors(read(text, length).value),
        Object.getOwnPropertyDescriptors(JSON.parse(text))
      )
    }
  })

  it("may be nested a million deep, and no deeper", () => {
    const nested = (levels: number) => "[".repeat(levels) + "]".repeat(levels)
    let value = read(nested(1_000_000), 4_000_000).value as ReadonlyArray<unknown>
    let levels = 1
    for (; value.length > 0; levels++) value = value[0] as ReadonlyArray<unknown>
    assert.strictEqual(levels, 1_000_000)
    assert.throws(() => read(nested(1_000_001), 4_000_000), "the text is nested too deep")
  })

  it("gives others their turns within white space and long strings", () => {
    const space = " ".repeat(5 * pieceLength + 1)
    assert.strictEqual(read(`${space}5`).turns, 5)
    for (const text of [`[1${space}]`, `[${space}1]`, `[1]${space}`, `{"a":${space}1}`]) {
      const { turns, value } = read(text)
      assert.isTrue(JSON.stringify(value) === JSON.stringify(JSON.parse(text)))
      assert.isAtLeast(turns, 5)
    }
  })

  it("has its strings of more than a mebibyte parsed in pieces", () => {
    for (
      const [begin, end] of [
        ["[", "]"],
        ["[1, ", " , 2]"],
        ["{\"k\\u0065y\" : ", "\n}"],
        ["{\"a\":1, \"\" :", ",\"b\":2}"]
      ] as const
    ) {
      for (const length of [longString - 1, longString]) {
        const text = `${begin}"${"x".repeat(length - 1)}"${end}`
        const { pieces, value } = read(text)
        assert.isTrue(JSON.stringify(value) === JSON.stringify(JSON.parse(text)), `${begin} ${length}`)
        const longest = Math.max(...pieces.map((piece) => piece.length))
        assert.strictEqual(longest < 2 * pieceLength, length >= longString, `${begin} ${length} ${longest}`)
      }
    }
  })

  it("has no string cut within an escape", () => {
    for (
      const escape of [
        "\\u00e9",
        "\\\\",
        "\\\\u00e9",
        "\\\\\\u00e9",
        "\\\\\\\\",
        "uuuuuu",
        "\\\"",
        "\\uD83D\\uDE00"
      ]
    ) {
      for (let back = 0; back <= 7; back++) {
        const text = `["${"x".repeat(pieceLength - back)}${escape}${"y".repeat(longString)}"]`
        const { pieces, value } = read(text)
        assert.isTrue(
          (value as ReadonlyArray<string>)[0] === (JSON.parse(text) as ReadonlyArray<string>)[0],
          `${escape} ${back}`
        )
        // Were one piece no JSON, the string would be parsed as a whole.
        assert.isBelow(Math.max(...pieces.map((piece) => piece.length)), 2 * pieceLength, `${escape} ${back}`)
      }
    }
  })

  it("has no long string where a piece begins with one string and ends with another", () => {
    const long = "x".repeat(longString)
    for (const text of [`["a","${long}"]`, `["${long}","a"]`, `{"a":"b","c":"${long}"}`, `["a","b","${long}","c"]`]) {
      assert.deepStrictEqual(wrong(text, pieceLength), [])
      assert.deepStrictEqual(wrong(text, 4 * longString), [])
    }
  })

  it("is no JSON where a long string, or a key before it, is none", () => {
    const long = "x".repeat(longString)
    for (
      const text of [
        `["${long}\\x"]`,
        `["${long}" "${long}"]`,
        `["${long}"`,
        `["${long}`,
        `["${long}",]`,
        `[,"${long}"]`,
        `{"a""${long}"}`,
        `{"a"::"${long}"}`,
        `{"a","${long}"}`,
        `{"a" "b":"${long}"}`,
        `{a:"${long}"}`,
        `{"a":"${long}""}`,
        `{"${long}"}`,
        `{"a\\x":"${long}"}`,
        `{"a":"\n${long}"}`,
        `{"a":x"${long}"}`
      ]
    ) {
      assert.strictEqual(outcome(() => read(text).value), "no JSON", text.slice(0, 20) + text.slice(-5))
    }
    for (
      const text of [
        `{"${long}":"${long}"}`,
        `{"${long}":[1,2]}`,
        `["${long}","${long}"]`,
        `[["${long}"]]`,
        `{"a":{"b":"${long}"}}`,
        `["a"${" ".repeat(longString)}]`
      ]
    ) {
      assert.deepStrictEqual(wrong(text), [])
    }
  })
})

describe("long JSON text", () => {
  const text = JSON.stringify(Array.from({ length: 4_000 }, (_, id) => ({ id, text: "x".repeat(100) })))
  const parse = (piece: string) => JSON.parse(piece) as unknown

  /** How often others had a turn, when each look at the clock is so much later. */
  const turnsOf = (passing: number) =>
    Effect.gen(function*() {
      let now = 0
      const clock = vi.spyOn(performance, "now").mockImplementation(() => now += passing)
      let turns = 0
      const given = vi.spyOn(globalThis, "setImmediate")
      const parsed = yield* Effect.ensuring(
        parseLong(text, parse),
        Effect.sync(() => {
          clock.mockRestore()
          turns = given.mock.calls.length
          given.mockRestore()
        })
      )
      assert.deepStrictEqual(parsed, { value: JSON.parse(text) })
      return turns
    })

  it.effect("lets others work after ten milliseconds", () =>
    Effect.gen(function*() {
      const few = yield* turnsOf(1)
      assert.isAtMost(few, 2)
      assert.strictEqual(yield* turnsOf(0), 0)
      // Looked at again only after the turn.
      assert.isAbove(yield* turnsOf(11), 3)
    }))

  it.effect("lets others work in a browser, too", () =>
    Effect.gen(function*() {
      let now = 0
      const clock = vi.spyOn(performance, "now").mockImplementation(() => now += 11)
      vi.stubGlobal("setImmediate", undefined)
      const parsed = yield* Effect.ensuring(
        parseLong(text, parse),
        Effect.sync(() => {
          vi.unstubAllGlobals()
          clock.mockRestore()
        })
      )
      assert.deepStrictEqual(parsed, { value: JSON.parse(text) })
    }))

  it.effect("is parsed no further once it is interrupted", () =>
    Effect.gen(function*() {
      let pieces = 0
      let now = 0
      const clock = vi.spyOn(performance, "now").mockImplementation(() => now += 11)
      const fiber = yield* Effect.forkChild(
        parseLong(text, (piece) => {
          pieces++
          return parse(piece)
        }),
        { startImmediately: true }
      )
      const before = pieces
      yield* Fiber.interrupt(fiber)
      for (let turn = 0; turn < 10; turn++) yield* Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))
      clock.mockRestore()
      assert.isAtMost(pieces, before + 1)
    }))

  it.effect("that is no JSON has no value", () =>
    Effect.gen(function*() {
      for (const bad of ["x", "[1", text.slice(0, -1), ""]) {
        assert.strictEqual(yield* parseLong(bad, parse), "no JSON")
      }
    }))
})

it.live("many texts that are parsed at a time share the turns of the event loop", () =>
  Effect.gen(function*() {
    const text = JSON.stringify(Array.from({ length: 30_000 }, (_, id) => ({ id, name: `row ${id}` })))
    const parse = Effect.map(parseLong(text, JSON.parse), () => undefined)
    const many = Effect.all(Array.from({ length: 12 }, () => parse), { concurrency: "unbounded", discard: true })
    assert.isAtMost(yield* longestTurn(many), 50)
  }))
