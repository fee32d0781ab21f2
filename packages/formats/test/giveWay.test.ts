/** What is large gives way while it is decoded and shown, can be interrupted, and is the same value as when it is small. */
import * as JsonProjection from "@effect-prefect/formats/JsonProjection"
import * as ResultFormat from "@effect-prefect/formats/ResultFormat"
import { assert, describe, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Schema from "effect/Schema"
import { longestTurn, newTurn } from "../../core/test/longestTurn.ts"
import { runs } from "../../core/test/seeds.ts"
import { jsonSteps } from "../src/internal/jsonPieces.ts"
import { toEnd } from "../src/internal/steps.ts"

const utf8 = (text: string) => new TextEncoder().encode(text)
const decode = (bytes: Uint8Array, name = "x", format?: ResultFormat.Format) =>
  ResultFormat.decode(bytes, { name, maxBytes: 2 ** 28, ...(format === undefined ? {} : { format }) })

const rows = Array.from({ length: 20_000 }, (_, id) => ({ id, name: `row ${id}`, share: id * 0.5 }))
const json = JSON.stringify(rows)

/** A pickle of protocol 2: a list of so many integers and texts. */
const pickle = (count: number): Uint8Array => {
  const bytes = Buffer.alloc(4 + 10 * count + 2)
  bytes.write("\x80\x02](", "latin1")
  bytes.fill("K\0X\u0003\0\0\0abc", 4, bytes.length - 2, "latin1")
  bytes.write("e.", bytes.length - 2, "latin1")
  for (let index = 0; index < count; index++) bytes[4 + 10 * index + 1] = index
  return new Uint8Array(bytes)
}

/** A pickle of a dict of so many floats, every second of which has no fraction. */
const floatKeys = (count: number): Uint8Array => {
  const bytes = Buffer.alloc(4 + 11 * count + 2)
  bytes.write("\x80\x04}(", "latin1")
  bytes.fill("G\0\0\0\0\0\0\0\0K\x01", 4, bytes.length - 2, "latin1")
  bytes.write("u.", bytes.length - 2, "latin1")
  for (let index = 0; index < count; index++) bytes.writeDoubleBE(index / 2, 5 + 11 * index)
  return new Uint8Array(bytes)
}

const inputs: Record<string, Effect.Effect<unknown, unknown>> = {
  JSON: decode(utf8(json)),
  "JSON of one object in another": decode(utf8(`{"a":{"b":{"rows":${json}}}}`)),
  "JSON with NaN": decode(utf8(json.replace("0.5", "NaN"))),
  CSV: decode(utf8(`id,name\n${rows.map(({ id, name }) => `${id},${name}`).join("\n")}`), "x.csv"),
  "CSV of many columns": decode(
    utf8(`${Array.from({ length: 20_000 }, (_, id) => `c${id}`).join(",")}\n${"1,".repeat(19_999)}1\n`),
    "x.csv"
  ),
  "JSON in UTF-16": decode(new Uint8Array(Buffer.from(`\ufeff${json}`, "utf16le"))),
  "pandas JSON": decode(utf8(json), "x", "pandas-json"),
  "pandas JSON by columns": decode(
    utf8(
      `{"id":{${rows.map(({ id }) => `"${id}":${id}`).join(",")}},"name":{${
        rows.map(({ id, name }) => `"${id}":"${name}"`).join(",")
      }}}`
    ),
    "x",
    "pandas-json"
  ),
  pickle: decode(pickle(60_000)),
  "pickle in base64": decode(utf8(Buffer.from(pickle(60_000)).toString("base64"))),
  "pickle of a dict of floats": decode(floatKeys(20_000)),
  "projection as text": JsonProjection.toText(rows),
  "projection as data": JsonProjection.toJson(rows),
  validation: JsonProjection.validate(rows)
}

/** The effect by a clock that is 100 times as fast, so that inputs are large which take a few milliseconds. */
const fast = <A, E>(effect: Effect.Effect<A, E>): Effect.Effect<A, E> =>
  Effect.suspend(() => {
    const { now } = performance
    // On the object itself, above the method that it inherits.
    Object.defineProperty(performance, "now", { configurable: true, value: () => 100 * now.call(performance) })
    return Effect.ensuring(effect, Effect.sync(() => Reflect.deleteProperty(performance, "now")))
  })

describe("something large", () => {
  for (const [name, input] of Object.entries(inputs)) {
    const effect = fast(input)
    it.live(`${name}: others have their turns`, () =>
      Effect.gen(function*() {
        let turns = 0
        let others = setImmediate(function turn() {
          turns++
          others = setImmediate(turn)
        })
        yield* Effect.ensuring(effect, Effect.sync(() => clearImmediate(others)))
        assert.isAbove(turns, 1)
      }))

    it.live(`${name}: it stops when it is interrupted`, () =>
      Effect.gen(function*() {
        let isDone = false
        const fiber = yield* Effect.forkChild(
          Effect.tap(effect, () => Effect.sync(() => isDone = true)),
          { startImmediately: true }
        )
        assert.isFalse(isDone)
        yield* Fiber.interrupt(fiber)
        assert.isFalse(isDone)
      }))
  }
})

describe("many at a time", () => {
  for (const [name, input] of Object.entries(inputs)) {
    it.live(`${name}: they share the turns`, () =>
      Effect.gen(function*() {
        const many = Effect.all(Array.from({ length: 12 }, () => input), { concurrency: "unbounded", discard: true })
        assert.isAtMost(yield* longestTurn(many), 50)
      }))
  }

  it.live("go on in the order in which they came, and none waits for one that was interrupted", () =>
    Effect.gen(function*() {
      const ended: Array<number> = []
      yield* longestTurn(Effect.gen(function*() {
        const fork = (id: number) =>
          Effect.forkChild(Effect.tap(inputs["pickle"]!, () => Effect.sync(() => ended.push(id))), {
            startImmediately: true
          })
        const [first, second, ...others] = yield* Effect.forEach([0, 1, 2, 3], fork)
        yield* Fiber.interrupt(second!)
        yield* Fiber.joinAll([first!, ...others])
      }))
      assert.deepStrictEqual(ended, [0, 2, 3])
    }))
})

describe("Effect.runSync", () => {
  it.live("decodes what is large too", () =>
    Effect.gen(function*() {
      yield* newTurn
      assert.lengthOf(Effect.runSync(fast(inputs["pickle"]!)) as ReadonlyArray<unknown>, 120_000)
    }))
})

describe("a browser, which has no setImmediate", () => {
  it.live("gives others their turns too", () =>
    Effect.gen(function*() {
      yield* newTurn
      const { setImmediate } = globalThis
      let turns = 0
      const others = setInterval(() => turns++, 1)
      const value = yield* Effect.ensuring(
        Effect.suspend(() => {
          Reflect.deleteProperty(globalThis, "setImmediate")
          return fast(inputs["pickle"]!)
        }),
        Effect.sync(() => {
          globalThis.setImmediate = setImmediate
          clearInterval(others)
        })
      )
      assert.lengthOf(value as ReadonlyArray<unknown>, 120_000)
      assert.isAbove(turns, 1)
    }))
})

describe("JSON that is read in pieces", () => {
  const padding = `"${"x".repeat(300_000)}"`

  it.effect.prop("is what JSON.parse makes of it", [
    Arbitrary.schema(Schema.Array(Schema.Json)),
    Arbitrary.schema(Schema.Json),
    Arbitrary.schema(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 4 })))
  ], ([items, last, depth]) =>
    Effect.sync(() => {
      // Long enough for pieces to begin and end between, before and inside of the items.
      let text = `[${[padding, ...items.map((item) => JSON.stringify(item)), padding].join(" , ")},${
        JSON.stringify(last)
      }]`
      for (let level = 0; level < depth; level++) {
        text = level % 2 === 0 ? `{"a\\"b" : ${text}, "z": [1, {}]}` : `[ [], ${text} , 2 ]`
      }
      const read = toEnd(jsonSteps(text))
      // Integers beyond 2^53 are bigints here.
      const plain = (_: string, value: unknown) => typeof value === "bigint" ? Number(value) : value
      assert.strictEqual(JSON.stringify("value" in read ? read.value : read, plain), JSON.stringify(JSON.parse(text)))
    }), { arbitrary: runs(25, 200) })

  const bad = [
    ["[", ",,1]"],
    ["[", ",]"],
    ["[1,,", "]"],
    ["[", " 1]"],
    ["[", "}"],
    ["{\"a\":", "]"],
    ["{\"a\" ", "}"],
    ["{", "}"],
    ["[", ""],
    ["[[", "],,1]"],
    ["[[", "] 1]"],
    ["[[", "]]]"],
    ["[", "] x"]
  ] as const
  it.each(bad)("%s … %s is no JSON, wherever it breaks off", (before, after) => {
    for (
      const middle of [
        `${padding},${padding}`,
        `${padding},1`,
        `[${padding},${padding}]`,
        `{"k":${padding},"l":${padding}}`
      ]
    ) {
      const text = before + middle + after
      assert.throws(() => JSON.parse(text), SyntaxError)
      assert.property(toEnd(jsonSteps(text)), "problem", text.replaceAll(padding, "…"))
    }
  })

  it("keeps what Python reads otherwise", () => {
    const read = (text: string) => {
      const result = toEnd(jsonSteps(`[${padding},${text},${padding}]`))
      return "value" in result ? (result.value as Array<unknown>)[1] : result.problem
    }
    assert.strictEqual(read("12345678901234567890"), 12345678901234567890n)
    assert.isNaN(read("NaN"))
    assert.strictEqual(read("-Infinity"), -Infinity)
    assert.deepStrictEqual(read("{\"__proto__\":1,\"a\":1,\"a\":2}"), JSON.parse("{\"__proto__\":1,\"a\":2}"))
  })
})

describe("a CSV of a wide header and many short rows", () => {
  it.effect("is too large before its cells are made", () =>
    Effect.gen(function*() {
      const text = `${Array.from({ length: 40_000 }, (_, i) => `c${i}`).join(",")}\n${"1\n".repeat(40_000)}`
      const error = yield* Effect.flip(decode(utf8(text), "x.csv"))
      assert.strictEqual(error.reason._tag, "TooLarge")
    }))
})
