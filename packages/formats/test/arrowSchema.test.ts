/** Arrow data whose parts refer to the same bytes, and data of very many parts. */
import { assert, describe, it } from "@effect/vitest"
import * as Flechette from "@uwdata/flechette"
import { readFeather } from "../src/internal/arrow/feather.ts"
import { distinct } from "../src/internal/arrow/file.ts"
import { Refusal } from "../src/internal/refusal.ts"
import { toEnd } from "../src/internal/steps.ts"

/** Flatbuffers, whose tables are written in order: offsets go forward. */
const writer = () => {
  const bytes = Buffer.alloc(1 << 16)
  let end = 4
  const take = (size: number) => {
    const at = end
    end = (end + size + 7) & ~7
    return at
  }
  const refer = (from: number, to: number) => bytes.writeUInt32LE(to - from, from)
  const vtable = (fields: ReadonlyArray<number>, size: number) => {
    const at = take(4 + fields.length * 2)
    bytes.writeUInt16LE(4 + fields.length * 2, at)
    bytes.writeUInt16LE(size, at + 2)
    for (const [i, offset] of fields.entries()) bytes.writeUInt16LE(offset, at + 4 + i * 2)
    return at
  }
  const table = (vtable: number, size: number) => {
    const at = take(size)
    bytes.writeInt32LE(at - vtable, at)
    return at
  }
  const vector = (from: number, length: number) => {
    const at = take(4 + length * 4)
    refer(from, at)
    bytes.writeUInt32LE(length, at)
    return (i: number, to: number) => refer(at + 4 + i * 4, to)
  }
  return { bytes, length: () => end, refer, table, take, vector, vtable }
}

/** The start of a stream whose schema has one column, of structs in structs: each has the next one as two fields of it. */
const sharedFields = (depth: number): Uint8Array => {
  const { bytes, length, refer, table, vector, vtable } = writer()
  const [messages, schemas] = [vtable([4, 6, 8, 12], 20), vtable([0, 4], 8)]
  // The type is at 6 and 8, the children at 12.
  const [fields, types] = [vtable([0, 0, 6, 8, 0, 12], 16), vtable([], 4)]
  const message = table(messages, 20)
  refer(0, message)
  bytes[message + 6] = 1
  const schema = table(schemas, 8)
  refer(message + 8, schema)
  let name = vector(schema + 4, 1)
  let count = 1
  for (let level = 0; level <= depth; level++) {
    const field = table(fields, 16)
    for (let i = 0; i < count; i++) name(i, field)
    bytes[field + 6] = level === depth ? 2 : 13
    refer(field + 8, table(types, 4))
    count = level === depth ? 0 : 2
    name = vector(field + 12, count)
  }
  const head = Buffer.alloc(8)
  head.writeInt32LE(-1, 0)
  head.writeInt32LE(length(), 4)
  return new Uint8Array(
    Buffer.concat([head, bytes.subarray(0, length()), Buffer.from([255, 255, 255, 255, 0, 0, 0, 0])])
  )
}

describe("a schema", () => {
  it("is read where fields are in each other", () => {
    assert.deepStrictEqual(toEnd(readFeather(sharedFields(1), 1 << 20, false)).columns.map(({ kind }) => kind), [
      "object"
    ])
  })

  it("of fields that stand for very many is refused as soon as they are more than its bytes can be", () => {
    assert.throws(() => toEnd(readFeather(sharedFields(60), 1 << 20, false)), Refusal, /the same bytes too often/)
  })
})

describe("others have their turns while Arrow is read that has", () => {
  const stepsOf = (bytes: Uint8Array): number => {
    const steps = readFeather(bytes, 1 << 24, false)
    let count = 0
    while (steps.next().done !== true) count++
    return count
  }
  const stream = (columns: number) =>
    Flechette.tableToIPC(
      Flechette.tableFromArrays(Object.fromEntries(Array.from({ length: columns }, (_, i) => [`c${i}`, [i]]))),
      { format: "stream" }
    )!

  it("many columns", () => {
    // A step each for its field, the dictionaries of fields, two buffers, its values and its place in the table.
    assert.isAtLeast(stepsOf(stream(300)) - stepsOf(stream(1)), 299 * 6)
  })

  it("many messages that are no batches", () => {
    const [empty, one] = [stream(1), stream(1)]
    const schemaLength = 8 + new DataView(one.buffer, one.byteOffset).getInt32(4, true)
    const schema = one.subarray(0, schemaLength)
    const many = Buffer.concat([Buffer.alloc(300 * schemaLength, schema), one])
    assert.isAtLeast(stepsOf(many) - stepsOf(empty), 300)
  })
})

it("the messages of a file are refused that lie in each other", () => {
  const block = { offset: 0, length: 400 }
  assert.lengthOf([...distinct([block, block], 800)], 2)
  assert.throws(() => [...distinct([block, block, block], 1_100)], Refusal, /lie in each other/)
})

describe("a list of values that take no bytes", () => {
  it("is read where they are few", () => {
    const table = toEnd(readFeather(
      Buffer.from(
        "/////5gAAAAQAAAAAAAKAAwABgAFAAgACgAAAAABBAAMAAAACAAIAAAABAAIAAAABAAAAAEAAAAEAAAA2P///wAAAQwUAAAAGAAA" +
          "AAQAAAABAAAAIAAAAAEAAABhAAAAyP///xAAFAAIAAYABwAMAAAAEAAQAAAAAAABARAAAAAcAAAABAAAAAAAAAAEAAAAaXRlbQAA" +
          "AAAEAAQABAAAAP////+YAAAAFAAAAAAAAAAMABYABgAFAAgADAAMAAAAAAMEABgAAAAIAAAAAAAAAAAACgAYAAwABAAIAAoAAAA8" +
          "AAAAEAAAAAEAAAAAAAAAAAAAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAIAAAAAAAAAAAAAAACAAAAAQAAAAAAAAAAAAAA" +
          "AAAAAAMAAAAAAAAAAwAAAAAAAAAAAAAAAwAAAP////8AAAAA",
        "base64"
      ),
      1 << 28,
      false
    ))
    assert.deepStrictEqual(table.columns[0]!.at(0), [null, null, null])
  })

  it.each([
    [
      "nulls",
      "/////5gAAAAQAAAAAAAKAAwABgAFAAgACgAAAAABBAAMAAAACAAIAAAABAAIAAAABAAAAAEAAAAEAAAA2P///wAAAQwUAAAAGAAA" +
      "AAQAAAABAAAAIAAAAAEAAABhAAAAyP///xAAFAAIAAYABwAMAAAAEAAQAAAAAAABARAAAAAcAAAABAAAAAAAAAAEAAAAaXRlbQAA" +
      "AAAEAAQABAAAAP////+YAAAAFAAAAAAAAAAMABYABgAFAAgADAAMAAAAAAMEABgAAAAIAAAAAAAAAAAACgAYAAwABAAIAAoAAAA8" +
      "AAAAEAAAAAEAAAAAAAAAAAAAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAIAAAAAAAAAAAAAAACAAAAAQAAAAAAAAAAAAAA" +
      "AAAAAAAAAAIAAAAAAAAAAgAAAAAAAAAAAAAAAv////8AAAAA"
    ],
    [
      "one run",
      "/////yABAAAQAAAAAAAKAAwABgAFAAgACgAAAAABBAAMAAAACAAIAAAABAAIAAAABAAAAAEAAAAEAAAApP///wAAAQwUAAAAGAAA" +
      "AAQAAAABAAAAEAAAAAEAAABhAAAA0P///8z///8AAAEWGAAAACQAAAAEAAAAAgAAAGwAAAAoAAAABAAAAGl0ZW0AAAAABAAEAAQA" +
      "AAAQABQACAAGAAcADAAAABAAEAAAAAAAAQIQAAAAGAAAAAQAAAAAAAAABgAAAHZhbHVlcwAAvP///wAAAAEIAAAAEAAUAAgAAAAH" +
      "AAwAAAAQABAAAAAAAAACEAAAACQAAAAEAAAAAAAAAAgAAABydW5fZW5kcwAAAAAIAAwACAAHAAgAAAAAAAABIAAAAAAAAAD/////" +
      "+AAAABQAAAAAAAAADAAWAAYABQAIAAwADAAAAAADBAAYAAAAGAAAAAAAAAAAAAoAGAAMAAQACAAKAAAAfAAAABAAAAABAAAAAAAA" +
      "AAAAAAAGAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAACAAAAAAAAAAIAAAAAAAAAAAAAAAAAAAACAAAAAAAAAAEAAAAAAAAABAA" +
      "AAAAAAAAAAAAAAAAAAAQAAAAAAAAAAEAAAAAAAAAAAAAAAQAAAABAAAAAAAAAAAAAAAAAAAAAAAAAgAAAAAAAAAAAAAAAAEAAAAA" +
      "AAAAAAAAAAAAAAABAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAIAAAACAAAAAAcAAAAAAAAA/////wAAAAA="
    ]
  ])("is refused where it would be an array of gigabytes: %s", (_, stream) => {
    assert.throws(() => toEnd(readFeather(Buffer.from(stream, "base64"), 1 << 28, false)), Refusal, /take no bytes/)
  })
})
