import * as ResultFormat from "@effect-prefect/formats/ResultFormat"
import * as ValueSize from "@effect-prefect/formats/ValueSize"
import { assert, describe, it, vi } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { parquetWriteBuffer } from "hyparquet-writer"
import { FormatError, TooLarge } from "../src/FormatError.ts"
import { Column, Table } from "../src/Table.ts"

/** The sizes are such that much of each text is in its last piece. */
const texts: Record<string, string> = {
  "empty objects": `[${"{},".repeat(333_333)}{}]`,
  "empty lists": `[${"[],".repeat(150_000)}[]]`,
  "lists in a list": `[[1,2],[${"[],".repeat(250_000)}[]]]`,
  "objects": `[${"{\"a\":1,\"b\":2},".repeat(60_000)}{}]`,
  "texts": `[${"\"abcdefgh\",".repeat(70_000)}"x"]`
}

const keys = Array.from({ length: 1_000 }, (_, i) => `\x8c\x08${`${i}`.padStart(8, "k")}K\x01`).join("")
const chain = "ccollections\nChainMap\n)\x81}\x8c\x04maps](h\x01esb"

const pickles: Record<string, string> = {
  "a pickle of empty sets": `\x80\x04](${"\x8f".repeat(100_000)}e.`,
  "a pickle of empty dicts": `\x80\x04](${"}".repeat(100_000)}e.`,
  "a pickle of empty lists": `\x80\x04](${"]".repeat(100_000)}e.`,
  // Each is a dict of its own with all keys of the one that they share.
  "a pickle of chains of one dict": `\x80\x04](}q\x01(${keys}u${chain.repeat(300)}e.`,
  "a small pickle of chains of one dict": `\x80\x04](}q\x01(${keys.slice(0, 12 * 200)}u${chain.repeat(1_300)}e.`,
  "a pickle of texts": `\x80\x04](${"\x8c\x08abcdefgh".repeat(70_000)}e.`
}

const csv: Record<string, string> = {
  "columns.csv": `${Array.from({ length: 30_000 }, (_, i) => `c${i}`).join(",")}\n${",".repeat(29_999)}\n`,
  "levels.csv": `a\n${",".repeat(30_000)}\n`
}

const inputs: ReadonlyArray<readonly [string, Uint8Array]> = [
  ...Object.entries(texts).map(([name, text]) => [name, new TextEncoder().encode(text)] as const),
  ...Object.entries(csv).map(([name, text]) => [name, new TextEncoder().encode(text)] as const),
  ...Object.entries(pickles).map(([name, text]) => [name, new Uint8Array(Buffer.from(text, "latin1"))] as const)
]

describe("what decoding has asked for in the end is what the value takes", () => {
  for (const [name, content] of inputs) {
    it(`of ${name}`, () =>
      Effect.runPromise(Effect.gen(function*() {
        let asked = 0
        const value = yield* ResultFormat.decode(content, {
          name,
          maxBytes: 2 ** 28,
          reserve: (bytes) =>
            Effect.sync(() => {
              asked += bytes
              return bytes
            })
        })
        const taken = ValueSize.estimate(value)
        assert.ok(asked > taken * 0.9, `${asked} of ${taken}`)
      })))
  }
})

/** The bytes of memory that there are, and the tag of what becomes of a file with them. */
const outcomeWith = (limit: number, name: string, content: Uint8Array, format?: ResultFormat.Format) => {
  let held = 0
  return Effect.runPromise(Effect.match(
    ResultFormat.decode(content, {
      name,
      maxBytes: 2 ** 28,
      format,
      reserve: (bytes, isGuess) => {
        const room = isGuess ? Math.min(bytes, limit - held) : bytes
        if (held + room > limit) return Effect.fail(new FormatError({ reason: new TooLarge({ limit }) }))
        held += room
        return Effect.succeed(room)
      }
    }),
    { onSuccess: () => "read", onFailure: ({ reason }) => reason._tag }
  ))
}

describe("a file whose values cannot have the memory that they take", () => {
  const dense = new TextEncoder().encode(`[${"{},".repeat(2 ** 20)}{}]`)

  it("is refused before any value is made, where those after its first part are like it", async () => {
    const parse = vi.spyOn(JSON, "parse")
    try {
      assert.strictEqual(await outcomeWith(2 ** 25, "x.json", dense), "TooLarge")
      assert.strictEqual(parse.mock.calls.length, 0)
    } finally {
      parse.mockRestore()
    }
  })

  it("is read where those after its first part are not like it", async () => {
    const mixed = new TextEncoder().encode(`[${"{},".repeat(2 ** 18)}"${"x".repeat(2 ** 22)}"]`)
    assert.strictEqual(await outcomeWith(2 ** 25, "x.json", mixed), "read")
  })

  it("is refused before its columns are described, however little is in them", async () => {
    const columnData = Array.from(
      { length: 5_000 },
      (_, at) => ({ name: `c${at}`, data: [at], type: "INT32" as const })
    )
    const wide = new Uint8Array(parquetWriteBuffer({ columnData }))
    assert.strictEqual(await outcomeWith(1.5 * 2 ** 20, "x.parquet", wide), "TooLarge")
  })
})

describe("pandas JSON whose table has many more cells than values", () => {
  const keys = Array.from({ length: 2_000 }, (_, at) => at)
  const fields = keys.map((at) => ({ name: `c${at}`, type: "integer" }))
  it.each(
    [
      ["records", keys.map((at) => ({ [`c${at}`]: 1 }))],
      ["columns", Object.fromEntries(keys.map((at) => [`c${at}`, { [at]: 1 }]))],
      ["rows", [keys, ...keys.map(() => [])]],
      ["split", { columns: keys, index: keys, data: keys.map(() => []) }],
      ["table", { schema: { fields }, data: keys.map(() => ({})) }]
    ] as const
  )("is refused: %s", async (_, value) => {
    const content = new TextEncoder().encode(JSON.stringify(value))
    assert.strictEqual(await outcomeWith(2 ** 25, "x", content, "pandas-json"), "TooLarge")
  })
})

describe("the estimate of a table with a damaged cell", () => {
  it("leaves it to whoever reads the cell", () => {
    const damaged = (row: number) => {
      if (row === 1) throw new Error("damaged")
      return "a text of some length"
    }
    const column = new Column({ name: "a", kind: "object", length: 3, at: damaged })
    assert.isAbove(ValueSize.estimate(new Table([column], 3)), 0)
  })
})
