import { assert, describe, it } from "@effect/vitest"
import { base64 } from "../src/base64.ts"

/** Calls a function in a runtime that lacks some of what this one may have. */
const without = <A>(missing: ReadonlyArray<readonly [object, string]>, run: () => A): A => {
  const saved = missing.map(([owner, name]) => [owner, name, Object.getOwnPropertyDescriptor(owner, name)] as const)
  for (const [owner, name] of missing) Reflect.deleteProperty(owner, name)
  try {
    return run()
  } finally {
    for (const [owner, name, descriptor] of saved) {
      if (descriptor !== undefined) Object.defineProperty(owner, name, descriptor)
    }
  }
}

const engines = [
  ["by what this engine has", []],
  ["by Buffer", [[Uint8Array.prototype, "toBase64"]]],
  ["without help", [[Uint8Array.prototype, "toBase64"], [globalThis, "Buffer"]]]
] as const

describe("base64", () => {
  const all = Uint8Array.from({ length: 300 }, (_, at) => (at * 7) & 255)

  it.each(engines)("%s, is the same for bytes of every value and length, and for a part of a buffer", (_, missing) => {
    for (let length = 0; length < 10; length++) {
      const part = all.subarray(3, 3 + length)
      assert.strictEqual(without(missing, () => base64(part)), Buffer.from(part).toString("base64"))
    }
    assert.strictEqual(without(missing, () => base64(all)), Buffer.from(all).toString("base64"))
  })
})
