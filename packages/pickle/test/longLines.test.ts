import * as Pickle from "@effect-prefect/pickle"
import { describe, expect, it, vi } from "vitest"

const length = 0x100000

const lines: Readonly<Record<string, readonly [start: string, unit: string, end: string]>> = {
  "a text": ["V", "abcdefgh", "\n."],
  "a text of escapes": ["V", "\\u0061bc", "\n."],
  "a string of Python 2": ["S'", "abcdefgh", "'\n."],
  "a string of Python 2 with an escape": ["S'", "abcdefgh", "\\x61'\n."]
}

const bytesOf = ([start, unit, end]: readonly [string, string, string]): Uint8Array =>
  new Uint8Array(Buffer.concat([Buffer.from(start), Buffer.alloc(length, unit), Buffer.from(end)]))

describe("the end of a long line of protocol 0 is looked for in steps", () => {
  for (const [name, parts] of Object.entries(lines)) {
    it(`${name} is whole`, () => {
      const bytes = bytesOf(parts)
      const spies = (["indexOf", "includes"] as const).map((method) => vi.spyOn(Uint8Array.prototype, method))
      let value: unknown
      try {
        const steps = Pickle.loadsSteps(bytes)
        let step = steps.next()
        while (step.done !== true) step = steps.next()
        ;({ value } = step)
        for (const { mock } of spies) {
          for (const looked of mock.contexts) expect((looked as Uint8Array).length).toBeLessThanOrEqual(0x40000)
        }
      } finally {
        for (const spy of spies) spy.mockRestore()
      }
      const escaped = parts[1] === "\\u0061bc"
      expect(value === (escaped ? "abc" : "abcdefgh").repeat(length / 8) + (parts[2].includes("x61") ? "a" : ""))
        .toBe(true)
    })
    it(`${name}, without its newline`, () => {
      const bytes = bytesOf([parts[0], parts[1], ""])
      expect(() => Pickle.loads(bytes)).toThrow(/newline/)
    })
  }
  it("a long string of Python 2 without its quotes", () => {
    expect(() => Pickle.loads(bytesOf(["S'", "abcdefgh", "\n."]))).toThrow(/quote/)
  })
})

describe("a line of a number or a name, which is read at once", () => {
  const before: Readonly<Record<string, string>> = {
    "an integer": "I",
    "a long integer": "L",
    "a float": "F",
    "a module": "c",
    "a name in a module": "cm\n",
    "a memo": "g",
    "a persistent id": "P"
  }
  for (const [name, start] of Object.entries(before)) {
    it(`is refused when it is very long: ${name}`, () => {
      const bytes = new Uint8Array(Buffer.concat([Buffer.from(start), Buffer.alloc(0x400001, "1"), Buffer.from("\n.")]))
      expect(() => Pickle.loads(bytes)).toThrow(/a number or a name in a line of 4194305 bytes/)
    })
  }
})
