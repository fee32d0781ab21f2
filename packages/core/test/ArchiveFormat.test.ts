import * as ArchiveFormat from "@effect-prefect/core/ArchiveFormat"
import { assert, describe, it } from "@effect/vitest"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"

const encoder = new TextEncoder()

const split = (chunks: Iterable<Uint8Array>, longBytes?: number) => {
  const found: Array<{ readonly number: number; readonly offset: number; readonly text: string | undefined }> = []
  const lines = ArchiveFormat.splitLines(({ bytes, length, number, offset, parts }) => {
    if (bytes !== undefined) assert.strictEqual(length, bytes.length)
    found.push({
      number,
      offset,
      text: bytes === undefined ? parts?.join("") : new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes)
    })
  }, { longBytes })
  for (const chunk of chunks) {
    // A reader may use its buffer again.
    const buffer = Uint8Array.from(chunk)
    lines.push(buffer)
    buffer.fill(0x21)
  }
  lines.end()
  return found
}

describe("mounts", () => {
  const decode = Schema.decodeUnknownResult(ArchiveFormat.Mounts)

  it("map places to folders, with the names of files or without", () => {
    const mounts = { "/srv": "results", "s3://b": { folder: "s3/b", names: "encoded" } }
    const decoded = decode(mounts)
    assert.deepStrictEqual(Result.isSuccess(decoded) ? decoded.success : undefined, mounts as never)
  })

  it("have no place without a name", () => {
    const decoded = decode({ "/srv": "results", "": "results" })
    assert.include(Result.isFailure(decoded) ? String(decoded.failure) : "", "places that are non-empty strings")
  })
})

describe("the lines of a table", () => {
  it.prop(
    "are the same however the file is cut",
    [Schema.Array(Schema.Literals(["\n", "\r\n", " ", "é", "{}", "\ufeff", "a\u2028b"])), Schema.Int],
    ([parts, seed]) => {
      const bytes = encoder.encode(parts.join(""))
      const step = 1 + Math.abs(seed % 5)
      const chunks: Array<Uint8Array> = []
      for (let at = 0; at < bytes.length; at += step) chunks.push(bytes.subarray(at, at + step))
      const whole = split([bytes])
      assert.deepStrictEqual(split(chunks), whole)
      // A long line is looked at no further, so it may be blank.
      const isBlank = (text: string | undefined) => /^[ \r\t]*$/.test(text!)
      assert.deepStrictEqual(split(chunks, 3).filter(({ text }) => !isBlank(text)), whole)
      for (const { number, offset, text } of whole) {
        const length = encoder.encode(text).length
        assert.strictEqual(
          new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes.subarray(offset, offset + length)),
          text
        )
        assert.strictEqual(bytes.subarray(0, offset).filter((byte) => byte === 10).length, number - 1)
        assert.isFalse(isBlank(text))
      }
    }
  )

  it("begin after the mark of UTF-8 at the start of the file, and after no other", () => {
    assert.deepStrictEqual(split([encoder.encode("\ufeff{}\n\ufeff{}\n")]), [
      { number: 1, offset: 3, text: "{}" },
      { number: 2, offset: 6, text: "\ufeff{}" }
    ])
  })

  it("longer than the limit are told, and do not hide those after them", () => {
    const mebibyte = new Uint8Array(1024 * 1024).fill(0x78)
    const parts = function*() {
      yield encoder.encode("{}\n")
      for (let count = 0; count < 256; count++) yield mebibyte
      yield encoder.encode("x\n{}")
    }
    assert.deepStrictEqual(split(parts()), [
      { number: 1, offset: 0, text: "{}" },
      { number: 2, offset: 3, text: undefined },
      { number: 3, offset: 3 + ArchiveFormat.maxLineBytes + 2, text: "{}" }
    ])
  })

  it("that are long have their text in parts, unless they are not UTF-8, and are never joined", () => {
    const line = encoder.encode(`\ufeff{"a": "${"é".repeat(1_000)}"}`)
    const chunks = function*() {
      for (let at = 0; at < line.length; at += 10) yield line.subarray(at, at + 10)
      yield Uint8Array.of(0x0a)
      for (let count = 0; count < 20; count++) yield Uint8Array.of(0x22, 0xff, 0x22)
      yield encoder.encode("\n{}\n")
    }
    const found: Array<ArchiveFormat.Line> = []
    const lines = ArchiveFormat.splitLines((line) => found.push(line), { longBytes: 50 })
    for (const chunk of chunks()) lines.push(chunk)
    const [first, second, third] = found
    assert.strictEqual(new TextDecoder().decode(line), first!.parts!.join(""))
    assert.isAbove(first!.parts!.length, 150)
    assert.deepStrictEqual({ ...first, parts: [] }, {
      number: 1,
      offset: 3,
      length: line.length - 3,
      bytes: undefined,
      parts: []
    })
    assert.deepStrictEqual({ ...second }, {
      number: 2,
      offset: line.length + 1,
      length: 60,
      bytes: undefined,
      parts: undefined
    })
    assert.strictEqual(third!.bytes!.length, 2)
  })

  it("are an object each, or a problem that does not quote them", () => {
    assert.deepStrictEqual(ArchiveFormat.parseLine(encoder.encode(`{"a": 1}`)), { text: `{"a": 1}`, row: { a: 1 } })
    // The mark of UTF-8 is no part of JSON: only the first line of a file may have it, which is without it here.
    for (const text of ["hunter2", `"hunter2"`, `["hunter2"]`, `{"hunter2": `, "null", "\ufeff{}"]) {
      const problem = ArchiveFormat.parseLine(encoder.encode(text))
      if (typeof problem !== "string") return assert.fail(text)
      assert.notInclude(problem, "hunter2")
    }
    assert.strictEqual(ArchiveFormat.parseLine(Uint8Array.of(0x22, 0xff, 0x22)), "it is not JSON in UTF-8")
  })
})

describe("the pieces of a chunk", () => {
  it("are short, end with a line, and are the chunk", () => {
    for (const line of ["\n", "x\n", `${"y".repeat(300)}\n`, `${"z".repeat(20_000)}\n`]) {
      const chunk = new Uint8Array(Buffer.from(`${line.repeat(Math.ceil(50_000 / line.length))}rest`))
      const pieces = [...ArchiveFormat.piecesOf(chunk)]
      assert.isTrue(Buffer.concat(pieces).equals(chunk))
      assert.isAbove(pieces.length, 2)
      for (const piece of pieces.slice(0, -1)) {
        assert.strictEqual(piece.at(-1), 10)
        assert.isBelow(piece.length, 8_192 + line.length)
      }
    }
  })
})
