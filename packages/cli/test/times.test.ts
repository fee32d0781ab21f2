import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { shades } from "../src/internal/colors.ts"
import * as TimeFlag from "../src/internal/timeFlag.ts"
import * as Times from "../src/internal/times.ts"

describe("durations", () => {
  const durations: ReadonlyArray<readonly [milliseconds: number, text: string]> = [
    [0, "0ms"],
    [998, "998ms"],
    [999.6, "1.0s"],
    [9_949, "9.9s"],
    [9_950, "10s"],
    [59_499, "59s"],
    [59_500, "1m"],
    [81_000, "1m 21s"],
    [3_600_000, "1h"],
    [3_900_000, "1h 5m"],
    [90_000_000, "1d 1h"],
    [-1, ""],
    [Number.NaN, ""]
  ]
  for (const [milliseconds, text] of durations) {
    it(`${milliseconds} ms are ${JSON.stringify(text)}`, () => assert.strictEqual(Times.duration(milliseconds), text))
  }

  it("go on until now while something runs", () => {
    const start = "2022-03-01T12:00:00Z"
    assert.strictEqual(Times.between(start, null, Date.parse(start) + 60_000), "1m")
    assert.strictEqual(Times.between(start, null), "")
    assert.strictEqual(Times.between(null, null, 0), "")
  })

  it("since a time are told by their largest unit", () => {
    const now = Date.parse("2022-03-01T12:00:00Z")
    assert.strictEqual(Times.relative("2022-03-01T11:59:30Z", now), "just now")
    assert.strictEqual(Times.relative("2022-03-01T11:58:00Z", now), "2 minutes ago")
    assert.strictEqual(Times.relative("2022-02-28T11:58:00Z", now), "1 day ago")
    assert.strictEqual(Times.relative("2022-03-01T13:30:00Z", now), "in 1 hour")
    assert.strictEqual(Times.relative("no time", now), "")
  })
})

describe("times", () => {
  it("in UTC are the same everywhere; what is not a time stays as it is", () => {
    const { time, zone } = Times.make({ utc: true })
    assert.strictEqual(zone, "UTC")
    assert.strictEqual(time("2022-03-01T13:00:08.123456+01:00"), "2022-03-01 12:00:08")
    assert.strictEqual(time("soon"), "soon")
    assert.strictEqual(time(null), "")
  })
})

describe("--since and --until", () => {
  const now = Date.parse("2022-03-01T12:00:00Z")
  const parse = (text: string) => Effect.runSync(Effect.result(TimeFlag.parse("since", Option.some(text), now)))
  it("take ISO 8601 and lengths of time", () => {
    for (
      const [text, time] of [
        ["30m", now - 1_800_000],
        ["12h", now - 43_200_000],
        ["7d", now - 604_800_000],
        ["2022-03-01T12:00Z", now],
        ["2022-03-01T13:00:00+01:00", now],
        ["2022-03-01", new Date(2022, 2, 1).getTime()],
        ["2022-03-01 10:30", new Date(2022, 2, 1, 10, 30).getTime()]
      ] as const
    ) {
      const result = parse(text)
      assert.strictEqual(result._tag === "Success" ? result.success : result.failure.message, time, text)
    }
  })

  it("refuse what they would have to guess at", () => {
    for (const text of ["", "tuesday", "2022", "1/2/2022", "2022-13-01", "7", "-7d", "7 years"]) {
      assert.strictEqual(parse(text)._tag, "Failure", text)
    }
  })
})

it("each state's colour has a contrast of 4.5:1 on black and on white", () => {
  for (const [state, hex] of Object.entries(shades)) {
    const [red, green, blue] = [0, 2, 4].map((at) => {
      const part = Number.parseInt(hex.slice(at, at + 2), 16) / 255
      return part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4
    })
    const luminance = 0.2126 * red! + 0.7152 * green! + 0.0722 * blue!
    assert.isAtLeast((luminance + 0.05) / 0.05, 4.5, state)
    assert.isAtLeast(1.05 / (luminance + 0.05), 4.5, state)
  }
})
