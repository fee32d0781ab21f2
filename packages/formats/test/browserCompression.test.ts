import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { execFile } from "node:child_process"
import { join } from "node:path"
import * as zlib from "node:zlib"

/** What a process says of each input, which loads this package as a browser does. */
const read = (knowsZstd: boolean, ...inputs: ReadonlyArray<readonly [kind: string, limit: number, bytes: Buffer]>) =>
  Effect.callback<ReadonlyArray<string>>((resume) => {
    execFile(
      process.execPath,
      [
        "--conditions=@effect-prefect/source",
        join(import.meta.dirname, "support", "browserCompression.ts"),
        `${knowsZstd}`,
        ...inputs.map(([kind, limit, bytes]) => `${kind}:${limit}:${bytes.toString("base64")}`)
      ],
      { env: { ...process.env, NODE_OPTIONS: "" }, maxBuffer: 1 << 24 },
      (error, stdout, stderr) =>
        resume(error === null ? Effect.succeed(JSON.parse(stdout) as Array<string>) : Effect.die(`${error}\n${stderr}`))
    )
  })

const skipped = Buffer.from([0x50, 0x2a, 0x4d, 0x18, 1, 0, 0, 0, 1])
const [first, second] = ["1".repeat(100_000), "second"]
const frames = Buffer.concat([skipped, zlib.zstdCompressSync(first), skipped, zlib.zstdCompressSync(second)])

describe("compressions in a browser", () => {
  it.live("give the content, and that of all frames of zstd", () =>
    Effect.gen(function*() {
      const whole = first + second
      const each = [
        ["zstd", frames],
        ["gzip", zlib.gzipSync(whole)],
        ["zlib", zlib.deflateSync(whole)]
      ] as const
      const found = yield* read(true, ...each.map(([kind, bytes]) => [kind, whole.length, bytes] as const))
      assert.deepStrictEqual(found, each.map(() => whole))
      const less = yield* read(true, ...each.map(([kind, bytes]) => [kind, whole.length - 1, bytes] as const))
      assert.deepStrictEqual(less.map((text) => text.split(":")[0]), each.map(() => "TooLarge"))
      const [followed, cut, none] = yield* read(
        true,
        ["zstd", 1 << 20, Buffer.concat([frames, Buffer.from("garbage")])],
        ["zstd", 1 << 20, frames.subarray(0, -1)],
        ["zstd", 1 << 20, skipped]
      )
      assert.include(followed, "bytes that are no frame follow it")
      assert.include(cut, "the zstd stream is damaged")
      assert.include(none, "it has no frame")
    }))

  it.live("say where the browser does not know zstd", () =>
    Effect.gen(function*() {
      const [zstd, gzip] = yield* read(false, ["zstd", 1 << 20, frames], ["gzip", 1 << 20, zlib.gzipSync(second)])
      assert.include(zstd, "compressed with zstd, which is not read here")
      assert.strictEqual(gzip, second)
    }))
})
