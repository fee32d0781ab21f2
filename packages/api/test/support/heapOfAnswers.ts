/** Prints the heap that the values of answers take, and what is counted of them. Run with --expose-gc, in a process of its own. */
import { settledHeap } from "../../../core/test/settledHeap.ts"
import { counted } from "../../src/internal/http/memory.ts"
import { parseInPieces } from "../../src/internal/http/pieces.ts"

const list = <A>(length: number, make: (index: number) => A) => Array.from({ length }, (_, index) => make(index))
const uuid = (at: number) => `00000000-0000-4000-8000-${String(at).padStart(12, "0")}`

const values: Record<string, () => unknown> = {
  "short texts": () => list(25_000, (i) => `k${100_000_000 + i}`),
  "texts of one length": () => list(25_000, (i) => `a text of a row ${100_000 + i}`),
  "texts of two characters": () => list(75_000, (i) => String(10 + i % 90)),
  "one repeated short text": () => list(75_000, () => "Success"),
  "one repeated longer text": () => list(25_000, () => "a text of some length"),
  "long texts": () => list(500, (i) => `${i}`.padEnd(1_000, "x")),
  "texts beyond Latin": () => list(15_000, (i) => `текст строки ${100_000 + i}`),
  "texts beyond ASCII": () => list(15_000, (i) => `é text of a row ${100_000 + i}`),
  "escaped texts": () => list(15_000, (i) => `a\n"text"\tof\na row ${100_000 + i}`),
  "integers": () => list(125_000, (i) => i),
  "one digit": () => list(250_000, (i) => i % 10),
  "large integers": () => list(50_000, (i) => 4_000_000_000 + i),
  "doubles": () => list(50_000, (i) => i + 0.5),
  "short doubles": () => list(125_000, (i) => i % 9 + 0.5),
  "doubles among others": () => list(75_000, (i) => i % 2 === 0 ? null : i / 8),
  "nulls": () => list(125_000, () => null),
  "empty lists": () => list(50_000, () => []),
  "empty objects": () => list(50_000, () => ({})),
  "lists of one": () => list(50_000, (i) => [i]),
  "lists of four": () => list(25_000, (i) => [i, i + 1, i + 2, i + 3]),
  "lists of doubles": () => list(15_000, (i) => [i + 0.5, i + 0.25]),
  "lists of twenty": () => list(5_000, (i) => list(20, (at) => i + at)),
  "objects of one key": () => list(37_500, (i) => ({ a: i })),
  "objects of four keys": () => list(15_000, (i) => ({ a: i, b: null, c: true, d: i })),
  "objects of five keys": () => list(15_000, (i) => ({ a: i, b: null, c: true, d: i, e: 1 })),
  "objects of ten keys": () => list(7_500, (i) => Object.fromEntries(list(10, (key) => [`k${key}`, i]))),
  "objects of a hundred keys": () => list(750, (i) => Object.fromEntries(list(100, (key) => [`column ${key}`, i]))),
  "objects of doubles": () => list(15_000, (i) => ({ a: i + 0.5, b: i / 4 + 0.125 })),
  "objects that all differ": () => list(10_000, (i) => ({ [`key${i}`]: i })),
  "objects of many keys that all differ": () =>
    list(2_000, (i) => Object.fromEntries(list(10, (key) => [`key${i}of${key}`, key]))),
  "objects of few of many keys": () => list(15_000, (i) => ({ [`k${i % 900}`]: i, [`l${(i * 7) % 900}`]: i })),
  "objects of two of many keys": () =>
    list(7_500, (i) => ({ [`k${(i * 7919) % 907}`]: i, [`l${(i * 104729) % 911}`]: i })),
  "texts of a few words": () => list(25_000, (i) => `kind ${i % 50}`),
  "rows of short texts": () => list(10_000, (i) => ({ id: `id${1_000_000 + i}`, state: "Success", level: "INFO" })),
  "long texts of commas": () => list(500, (i) => `${i}`.padEnd(1_000, ",[{")),
  "JSON in texts": () => list(5_000, (i) => JSON.stringify({ a: i, b: [i, i + 1], c: "text" })),
  "one object of many keys": () => Object.fromEntries(list(20_000, (i) => [`key${i}`, i])),
  "one object of numbers": () => Object.fromEntries(list(20_000, (i) => [i, i])),
  "one object of far numbers": () => Object.fromEntries(list(10_000, (i) => [i * 1_000, i])),
  "lists one in the other": () => list(25, () => JSON.parse("[".repeat(900) + "]".repeat(900)) as unknown),
  "objects one in the other": () =>
    list(25, () => JSON.parse("{\"a\":".repeat(900) + "1" + "}".repeat(900)) as unknown),
  "rows of task runs": () =>
    list(1_500, (i) => ({
      id: uuid(i),
      task: { id: uuid(i), slug: "a-task-1", name: "a task" },
      map_index: i,
      start_time: "2021-03-01T12:00:00.123456+00:00",
      serialized_state: {
        type: "Success",
        message: "Task run succeeded.",
        _result: {
          type: "LocalResult",
          location: `/srv/prefect/results/2021/3/1/${uuid(i)}.prefect_result`,
          dir: "/srv"
        }
      }
    })),
  "rows of logs": () =>
    list(3_750, (i) => ({
      id: uuid(i),
      timestamp: "2021-03-01T12:00:00.123456+00:00",
      level: "INFO",
      message: `line ${i} of the log`
    }))
}

const parsed = (text: string) => {
  const counter = counted(JSON.parse)
  const steps = parseInPieces(text, counter.parse)
  for (;;) {
    const step = steps.next()
    if (step.done === true) return { value: step.value, bytes: counter.bytes() }
  }
}

const textOf = (kind: string) => JSON.stringify(values[kind]!())

/** What was measured last, which is kept: what is let go of meanwhile would be taken off the next one. */
let kept: Array<unknown> = []
/** A function of its own, whose variables are gone afterwards. */
const parsedAndKept = (text: string): number => {
  const { bytes, value } = parsed(text)
  kept.push(value)
  return bytes
}
const measured: Record<string, unknown> = {}
let before = 0
const kinds = Object.keys(values)
for (const [index, kind] of kinds.entries()) {
  if (index % 4 === 0) {
    // Texts come first, so that the heap after one answer is the heap before the next.
    kept = []
    parsedAndKept("[1]")
    kept = kinds.slice(index, index + 4).map(textOf)
    before = await settledHeap()
  }
  const bytes = parsedAndKept(kept[index % 4] as string)
  const after = await settledHeap()
  measured[kind] = { used: after - before, estimate: bytes }
  before = after
}
console.log(JSON.stringify(measured))
