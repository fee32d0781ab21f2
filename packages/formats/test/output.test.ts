import { expect, it, vi } from "vitest"
import { bunzip2 } from "../src/internal/compression/bzip2.ts"
import { Output } from "../src/internal/compression/output.ts"

const megabyte = 0x100000

const fail = (): never => {
  throw new Error("exceeded")
}

it("no write to a large output copies much more than it writes", () => {
  const set = vi.spyOn(Uint8Array.prototype, "set")
  try {
    const output = new Output(0, 2 ** 30, fail)
    const part = new Uint8Array(megabyte / 2)
    for (let at = 0; at < 40; at++) output.append(part.fill(at))
    expect(output.bytes.length).toBe(32 * megabyte)
    expect(Math.max(...set.mock.calls.map(([source]) => source.length))).toBeLessThanOrEqual(4 * megabyte)
    expect(Array.from({ length: 40 }, (_, at) => output.bytes[at * part.length + 7]))
      .toStrictEqual(Array.from({ length: 40 }, (_, at) => at))
  } finally {
    set.mockRestore()
  }
})

it("what is written over is copied again into the next buffer", () => {
  const output = new Output(0, 2 ** 30, fail)
  const part = new Uint8Array(megabyte).fill(1)
  for (let at = 0; at < 15; at++) output.append(part)
  output.bytes.fill(2, 3 * megabyte, 15 * megabyte)
  const steps = [...output.rewritten(3 * megabyte)]
  expect(steps.length).toBeGreaterThan(1)
  for (let at = 15; at < 17; at++) output.append(part)
  expect(output.bytes.length).toBe(32 * megabyte)
  const parts = Array.from({ length: 17 }, (_, at) => output.bytes[at * megabyte])
  expect(parts).toStrictEqual(Array.from({ length: 17 }, (_, at) => at < 3 || at > 14 ? 1 : 2))
})

it("an output that may not grow is not copied", () => {
  const output = new Output(0, 16 * megabyte, fail)
  const part = new Uint8Array(megabyte)
  for (let at = 0; at < 16; at++) output.append(part)
  expect(output.result().length).toBe(16 * megabyte)
  expect(() => output.append(part.subarray(0, 1))).toThrow("exceeded")
})

it("a block of bzip2 is read in one step and written in another", () => {
  const bytes = new Uint8Array(Buffer.from("QlpoOTFBWSZTWYHEYFIAABiBADgAIAAgpTQZjIuRZF4u5IpwoSEDiMCk", "base64"))
  const output = new Output(0, 1_000, fail)
  const steps = bunzip2(bytes, output)
  steps.next()
  expect(output.length).toBe(0)
  steps.next()
  expect(Buffer.from(output.result()).toString()).toBe("abc".repeat(50))
})

it("a block of bzip2 whose bytes repeat is written in steps", () => {
  // 12 MB of zeros: `python -c 'import bz2; print(bz2.compress(bytes(12000000)))'`.
  const bytes = new Uint8Array(
    Buffer.from("QlpoOTFBWSZTWXB45xQAW+lABMAAAAEACCAAMMwJqmmlIEW1FIEXi7kinChIODxzigA=", "base64")
  )
  const output = new Output(0, 16 * megabyte, fail)
  let longest = 0
  let before = 0
  for (const _ of bunzip2(bytes, output)) {
    longest = Math.max(longest, output.length - before)
    before = output.length
  }
  expect(output.length).toBe(12_000_000)
  expect(output.result().every((byte) => byte === 0)).toBe(true)
  expect(longest).toBeLessThanOrEqual(3 * megabyte)
})

it("a block of bzip2 whose bytes do not repeat is written in shorter steps", () => {
  // `python -c 'import bz2; print(bz2.compress(b"abc" * 200000))'`.
  const bytes = new Uint8Array(
    Buffer.from("QlpoOTFBWSZTWf0TuCsBhp+BADgAIABQZgKU0wElBcBJQWAkoLxdyRThQkP0TuCs", "base64")
  )
  const output = new Output(0, megabyte, fail)
  let longest = 0
  let before = 0
  for (const _ of bunzip2(bytes, output)) {
    longest = Math.max(longest, output.length - before)
    before = output.length
  }
  expect(output.length).toBe(600_000)
  expect(longest).toBeLessThan(200_000)
})
