import * as ArchiveFormat from "@effect-prefect/core/ArchiveFormat"
import { assert, describe, it, vi } from "@effect/vitest"
import * as Schema from "effect/Schema"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { open } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { runs } from "../../core/test/seeds.ts"
import { compareCodePoints } from "../src/internal/codePoints.ts"
import * as JsonLines from "../src/internal/tables/jsonLines.ts"
import { isoText, microseconds } from "../src/internal/timestamps.ts"

const assertRejects = async (promise: Promise<unknown>) => {
  const settled = await promise.then(() => "resolved", () => "rejected")
  assert.strictEqual(settled, "rejected")
}

/** What Python's `<` does. */
const compareNaively = (left: string, right: string): number => {
  const [one, other] = [[...left], [...right]].map((all) => all.map((character) => character.codePointAt(0)!))
  for (let at = 0; at < Math.min(one!.length, other!.length); at++) {
    if (one![at] !== other![at]) return one![at]! - other![at]!
  }
  return one!.length - other!.length
}

describe("compareCodePoints", () => {
  const Characters = Schema.Array(
    Schema.Literals(["a", "B", "é", "\uff01", "\u{1f600}", "\u{1f601}", "\u{10000}", "\ud83d", "\ude00", "\ue000"])
  )
  it.prop("agrees with comparing code point by code point", [Characters, Characters], ([left, right]) => {
    const [one, other] = [left.join(""), right.join("")]
    assert.strictEqual(Math.sign(compareCodePoints(one, other)), Math.sign(compareNaively(one, other)))
  }, { arbitrary: runs(300, 3000) })

  it("differs from UTF-16 above U+FFFF", () => {
    assert.isBelow(compareCodePoints("\uff01", "\u{1f600}"), 0)
    assert.deepStrictEqual(["\uff01", "\u{1f600}"].toSorted(), ["\u{1f600}", "\uff01"])
  })
})

describe("isoText", () => {
  const Instant = Schema.Int.check(Schema.isBetween({ minimum: -(2 ** 52), maximum: 2 ** 53 - 1 }))
  it.prop("is read back as the same instant, and agrees with Date", [Instant, Schema.Literals([1, 1000, 1_000_000])], (
    [instant, unit]
  ) => {
    const rounded = Math.floor(instant / unit) * unit
    const text = isoText(rounded)
    assert.match(text ?? "", /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{0,5}[1-9])?\+00:00$/)
    assert.strictEqual(microseconds(text), rounded)
    assert.strictEqual(Date.parse(text ?? ""), Math.floor(rounded / 1000))
  }, { arbitrary: runs(200, 2000) })

  it("is null for what is no instant", () => {
    assert.deepStrictEqual([Number.NaN, Infinity, 1e300].map(isoText), [null, null, null])
  })
})

describe("microseconds", () => {
  it("reads the notations of Postgres, Python and JavaScript", () => {
    const noon = Date.UTC(2022, 2, 1, 12) * 1000
    const texts = {
      "2022-03-01T12:00:00+00:00": 0,
      "2022-03-01T12:00:00Z": 0,
      "2022-03-01 12:00:00+00": 0,
      "2022-03-01T12:00:00": 0,
      "2022-03-01T12:00": 0,
      "2022-03-01T13:30:00+01:30": 0,
      "2022-03-01T04:00:00-0800": 0,
      "2022-03-01T12:00:00.000001+00:00": 1,
      "2022-03-01T12:00:00.75+00:00": 750_000,
      "2022-03-01T12:00:00.123456789Z": 123_456,
      "2022-03-01": -12 * 3600 * 1_000_000
    }
    assert.strictEqual(microseconds("0001-01-01T00:00:00Z"), Date.parse("0001-01-01T00:00:00Z") * 1000)
    for (const [text, offset] of Object.entries(texts)) assert.strictEqual(microseconds(text) - noon, offset, text)
  })
  it("is NaN for what is no time", () => {
    for (const text of [null, undefined, 7, "", "yesterday", "2022-03-01T12:00:00+0", "infinity"]) {
      assert.isNaN(microseconds(text))
    }
  })
  const upTo = (maximum: number) => Schema.Int.check(Schema.isBetween({ minimum: 0, maximum }))
  it.prop(
    "reads the usual notation of a server like every other one",
    [upTo(9999), upTo(99), upTo(99), upTo(99), upTo(99), upTo(99), upTo(999_999_999), upTo(10), upTo(3)],
    ([year, month, day, hour, minute, second, fraction, digits, zone]) => {
      const two = (value: number) => String(value).padStart(2, "0")
      const decimals = digits === 0 ? "" : `.${String(fraction).padStart(9, "0").slice(0, digits - 1)}`
      const date = `${String(year).padStart(4, "0")}-${two(month)}-${two(day)}`
      const time = `${two(hour)}:${two(minute)}:${two(second)}${decimals}${["Z", "+00:00", "-00:00", "+01:30"][zone]}`
      assert.deepStrictEqual(microseconds(`${date}T${time}`), microseconds(`${date} ${time}`))
    },
    { arbitrary: runs(100, 1000) }
  )
  it.prop(
    "agrees with Date on milliseconds",
    [Schema.Int.check(Schema.isBetween({ minimum: -9e12, maximum: 9e12 }))],
    ([
      time
    ]) => {
      const iso = new Date(time).toISOString()
      if (/^\d{4}-/.test(iso)) assert.strictEqual(microseconds(iso), time * 1000)
    }
  )
})

describe("lines of a file", () => {
  const withFile = async (text: string | Uint8Array, body: (path: string) => Promise<void>) => {
    const folder = mkdtempSync(join(tmpdir(), "lines-"))
    try {
      writeFileSync(join(folder, "lines"), text)
      await body(join(folder, "lines"))
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  }
  const signal = new AbortController().signal
  const rowOf = (bytes: Uint8Array) => {
    const parsed = ArchiveFormat.parseLine(bytes)
    return typeof parsed === "string" ? parsed : parsed.row
  }

  it("are where they say, with or without a newline at the end, whatever their length", async () => {
    const rows = [1, 10, 100_000, 1_048_575, 1_048_576, 5, 1_200_000, 0].map((length, at) => ({
      at,
      text: "é".repeat(length)
    }))
    for (const end of ["", "\n", "\r\n\n  \n"]) {
      await withFile(rows.map((row) => JSON.stringify(row)).join("\n") + end, async (path) => {
        const extents: Array<JsonLines.Extent> = []
        await JsonLines.scan(path, signal, ({ length, number, offset }, row) => {
          assert.strictEqual(number, extents.length + 1)
          assert.deepStrictEqual(row, rows[number - 1]!)
          extents.push({ offset, length })
        })
        assert.strictEqual(extents.length, rows.length)
        await using file = await open(path)
        const order = [7, 0, 3, 3, 6, 1]
        const read: Array<unknown> = []
        await JsonLines.readExtents(file, order.map((at) => extents[at]!), (bytes, at) => {
          read[at] = rowOf(bytes)
        }, async (parts, at) => {
          read[at] = rowOf(Buffer.from(parts!.join("")))
        })
        assert.deepStrictEqual(read, order.map((at) => rows[at]!))
      })
    }
  })

  it("can be interrupted between very short ones, of which one read has very many", async () => {
    const count = 50_000
    await withFile("x\n".repeat(count), async (path) => {
      const controller = new AbortController()
      let seen = 0
      let now = 0
      const clock = vi.spyOn(performance, "now").mockImplementation(() => now += 10)
      try {
        await assertRejects(JsonLines.scan(path, controller.signal, () => {
          if (seen++ === 0) setImmediate(() => controller.abort())
        }))
      } finally {
        clock.mockRestore()
      }
      assert.isBelow(seen, count / 2)
    })
  })
})
