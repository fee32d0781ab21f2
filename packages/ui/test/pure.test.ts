import { assert, describe, it } from "@effect/vitest"
import * as Schema from "effect/Schema"
import { layout } from "../src/graphLayout.ts"
import {
  addStates,
  countStates,
  emptyHeat,
  fitCells,
  indicesOf,
  maxCells,
  nameAt,
  nextFailed
} from "../src/heatMapData.ts"
import { maxHeight, reveal, rowAt, scrollHeight, topOf } from "../src/scroll.ts"
import { blocksOf, cellText, durationText, tickStep, tickText, timeText, visible, withoutAnsi } from "../src/text.ts"
import { entryAt, type OpenNode, pointer, rowOf, segmentsOf } from "../src/treeRows.ts"

const between = (minimum: number, maximum: number) => Schema.Int.check(Schema.isBetween({ minimum, maximum }))

describe("scrolling", () => {
  it.prop(
    "every row can be brought into sight",
    [between(1, 2_000_000), Schema.Finite.check(Schema.isBetween({ minimum: 0, maximum: 1 }))],
    ([rows, part]) => {
      const extent = { rows, rowHeight: 28, view: Math.min(rows, 20) * 28 }
      const row = Math.min(rows - 1, Math.floor(part * rows))
      const top = reveal(extent, 0, row)
      const first = rowAt(extent, top)
      assert.ok(row >= first - 0.01 && row + 1 <= first + extent.view / 28 + 0.01)
      assert.ok(top >= 0 && top <= scrollHeight(extent))
      assert.ok(scrollHeight(extent) <= maxHeight)
      assert.ok(Math.abs(rowAt(extent, topOf(extent, first)) - first) < 0.01)
    }
  )
})

describe("trees", () => {
  it("are runs of rows, with opened containers between them", () => {
    const inner: OpenNode = { path: "/1", size: 3, level: 2, open: new Map() }
    const root: OpenNode = { path: "", size: 4, level: 1, open: new Map([[1, inner]]) }
    const { rows, segments } = segmentsOf(root)
    assert.strictEqual(rows, 7)
    const walked = Array.from({ length: rows }, (_, row) => {
      const entry = entryAt(segments, row)!
      return `${entry.node.path}#${entry.place}`
    })
    assert.deepStrictEqual(walked, ["#0", "#1", "/1#0", "/1#1", "/1#2", "#2", "#3"])
    assert.strictEqual(rowOf(segments, inner, 2), 4)
    assert.strictEqual(entryAt(segments, 7), undefined)
    assert.strictEqual(pointer("/a", "b/c~d"), "/a/b~1c~0d")
  })
})

describe("graphs", () => {
  it("put a task below all that it needs", () => {
    const edges = [[0, 1], [1, 2], [0, 3], [3, 2], [2, 4]] as const
    const { layer, layers, place } = layout(5, edges)
    for (const [up, down] of edges) assert.ok(layer[up]! < layer[down]!)
    assert.strictEqual(layers, 4)
    assert.deepStrictEqual([place[1], place[3]].toSorted(), [0, 1])
  })
  it("end with circles and with edges to oneself", () => {
    const { layer } = layout(3, [[0, 1], [1, 2], [2, 0], [1, 1]])
    assert.strictEqual(layer.length, 3)
  })
  it("put tasks without edges into columns of their own", () => {
    const { layer, layers, place, widest } = layout(102, [[0, 1]])
    assert.deepStrictEqual([layer[0], layer[1], layer[2]], [0, 1, 2])
    assert.ok(widest <= 12 && layers === 11)
    assert.strictEqual(new Set(layer.map((one, i) => `${one} ${place[i]}`)).size, 102)
  })
  it("lay 5 000 tasks out, each at a place of its own", () => {
    const edges = Array.from(
      { length: 9_000 },
      (_, i) => [Math.floor(i / 2), Math.min(4_999, Math.floor(i / 2) + 1 + i % 40)] as const
    )
    const { layer, place } = layout(5_000, edges)
    assert.strictEqual(new Set(layer.map((one, i) => `${one} ${place[i]}`)).size, 5_000)
  })
})

describe("heat maps", () => {
  const data = addStates(emptyHeat(10), {
    after: -1,
    names: ["Success", "Failed"],
    runs: [[0, 3], [1, 1], [-1, 2], [0, 3], [1, 1]]
  })
  it("know each child by its index", () => {
    assert.strictEqual(nameAt(data, 3), "Failed")
    assert.strictEqual(nameAt(data, 4), "missing")
    assert.strictEqual(nameAt(data, 8), "Success")
    const { missing, states } = countStates(data)
    assert.deepStrictEqual([...states], [["Success", 6], ["Failed", 2]])
    assert.strictEqual(missing, 2)
  })
  it("find the next and previous child that failed", () => {
    assert.strictEqual(nextFailed(data, -1, 1), 3)
    assert.strictEqual(nextFailed(data, 3, 1), 9)
    assert.strictEqual(nextFailed(data, 9, 1), undefined)
    assert.strictEqual(nextFailed(data, 9, -1), 3)
  })
  it("hold a wrong index far beyond the others", () => {
    const far = addStates(emptyHeat(3), {
      after: -1,
      names: ["Success", "Failed"],
      runs: [[0, 3], [-1, 999_999_997], [1, 1]]
    })
    assert.strictEqual(far.total, 1_000_000_001)
    assert.ok(far.codes.length <= maxCells)
    assert.strictEqual(nameAt(far, 1_000_000_000), "Failed")
    assert.strictEqual(nameAt(far, 999_999_999), "missing")
    assert.strictEqual(nameAt(far, 5), "missing")
    assert.deepStrictEqual(indicesOf(far, new Set()), [0, 1, 2, 1_000_000_000])
    assert.deepStrictEqual(indicesOf(far, new Set(["Failed"])), [1_000_000_000])
    const { missing, states } = countStates(far)
    assert.deepStrictEqual([...states], [["Success", 3], ["Failed", 1]])
    assert.strictEqual(missing, 999_999_997)
    assert.strictEqual(nextFailed(far, -1, 1), undefined)
  })
  it.prop("have cells for all children", [between(1, 200_000), between(200, 2_000)], ([total, width]) => {
    const { cell, columns } = fitCells(total, width, 420)
    assert.ok(columns >= 1 && columns <= total && cell >= 2)
    assert.ok(columns * cell <= Math.max(width, cell))
  })
})

describe("text", () => {
  it("shows what would hide or reorder it", () => {
    assert.strictEqual(visible("a\u202eb\u0000"), "a‹U+202E›b␀")
    assert.strictEqual(visible("a\nb"), "a␊b")
    assert.strictEqual(visible("a\nb", true), "a\nb")
    assert.strictEqual(withoutAnsi("\u001b[31mred\u001b[0m"), "red")
  })
  it("shows no more of it than a browser can lay out, and says so", () => {
    const long = "x".repeat(100_000)
    assert.strictEqual(visible(long), long)
    assert.strictEqual(visible(`${long}yz`), `${long}… (2 more characters)`)
    assert.isBelow(visible("\0".repeat(2 ** 24), true).length, 100_100)
    assert.isBelow(cellText({ x: "y".repeat(2 ** 24) }).length, 100_100)
  })
  it("shows times and durations", () => {
    assert.strictEqual(timeText("2022-03-01T12:00:08.5+00:00", "UTC"), "2022-03-01 12:00:08")
    assert.strictEqual(timeText("0001-02-03T04:05:06Z", "UTC"), "0001-02-03 04:05:06")
    const time = "2022-07-01T12:00:08.5+00:00"
    assert.strictEqual(timeText(time, "local"), new Date(time).toLocaleString("sv"))
    assert.strictEqual(timeText("not a time", "UTC"), "not a time")
    assert.deepStrictEqual(
      [250, 59_000, 61_000, 120_000, 3_700_000, 7_200_000, 90_000_000, 172_800_000, 1.041e13].map(durationText),
      ["250 ms", "59 s", "1 min 1 s", "2 min", "1 h 2 min", "2 h", "1 d 1 h", "2 d", "329.9 years"]
    )
  })
  it.prop("divides any time axis at round times", [between(1, 2_000_000_000), between(2, 12)], ([seconds, parts]) => {
    const length = seconds * 1_000
    const step = tickStep(length / parts)
    assert.ok(step >= length / parts && step <= length / parts * 2.6)
    assert.notInclude(tickText(step), ".0 ")
    assert.strictEqual(tickText(0), "0")
    assert.strictEqual(tickText(tickStep(20_000 * 86_400_000)), "100 years")
  })
  it.prop(
    "is cut into blocks of whole lines, which are the text again",
    [Schema.Array(Schema.String), between(1, 50)],
    ([lines, size]) => {
      const text = lines.join("\n")
      const blocks = blocksOf(text, size)
      const joined = blocks.join("\n")
      assert.ok(joined === text || `${joined}\n` === text)
      assert.ok(blocks.slice(0, -1).every((block) => block.length >= size))
    }
  )
})
