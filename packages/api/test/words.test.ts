import { assert, describe, it } from "@effect/vitest"
import { plainWords, withoutSecrets } from "../src/internal/http/words.ts"

describe("plainWords", () => {
  for (
    const [text, words] of [
      ["Operation timed out", "Operation timed out"],
      ["Timeout", "Timeout"],
      ["API_ERROR: Operation timed out.", "API_ERROR: Operation timed out."],
      ["statement canceled (57014)", "statement canceled (57014)"],
      ["Connection to 10.0.0.5:5432 was refused", "Connection to … was refused"],
      ["invalid input syntax for type uuid: \"a customer\"", "invalid input syntax for type uuid:"],
      ["value 'John Smith' is not allowed here", "value … is not allowed here"],
      ["no such key sk_live_51H8xyzABC", "no such key"],
      ["eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.abc", ""],
      ["https://user:pass@host/x?token=1", ""],
      ["4f2c9a1e-77b0-4e1c-9a77-000000000001 4f2c", ""],
      ["\u202e\u0007", ""],
      ["", ""]
    ] as const
  ) {
    it(`${JSON.stringify(text)}`, () => assert.strictEqual(plainWords(text), words))
  }

  it("is short, and soon there, whatever the text is", () => {
    for (
      const text of ["word ".repeat(1_000_000), "\"".repeat(1_000_000), "a'".repeat(500_000), "…x".repeat(300_000)]
    ) {
      assert.isAtMost(plainWords(text).length, 200)
    }
  })
})

describe("withoutSecrets", () => {
  it("leaves out credentials, in whatever form they are", () => {
    const text =
      "cannot use pnu_0123 at https://u:p@db.example/x?sig=abc with api_key=xyz, \"token\": \"t0p\", Bearer zzz"
    const clean = withoutSecrets(text, ["pnu_0123"])
    assert.notMatch(clean, /pnu_0123|u:p|sig|xyz|t0p|zzz/)
    assert.include(clean, "cannot use … at https://db.example/x with api_key=…")
  })
  it("is soon there, whatever the text is", () => {
    for (
      const text of [
        "key-".repeat(500_000),
        "a://".repeat(500_000),
        "token=".repeat(300_000),
        "bearer ".repeat(300_000)
      ]
    ) {
      assert.isAtMost(withoutSecrets(text).length, 20_000)
    }
  })
})
